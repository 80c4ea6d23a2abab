/**
 * How a text is cut into pieces before byte-pair encoding: no merge crosses a cut. The expressions of
 * tokenizers are kept to those that are known, since one of a file could take for ever on a text that
 * is made for it.
 */

/** One stage; the stages of a tokenizer cut one after another. Plain data: crosses threads. */
export type PreTokenizerStage =
	| { readonly type: 'split'; readonly expression: string }
	| { readonly type: 'digits' }
	| { readonly type: 'prefix-space' }

/** Cuts a text without reserved tokens into pieces that, joined, are the text. */
export type PreTokenizer = (text: string) => readonly string[]

/** What byte-level pre-tokenizers split by when they name no expression: GPT-2's. */
export const BYTE_LEVEL_EXPRESSION =
	"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const WORDS = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+'
const PUNCTUATION = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*'
const SPACES = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'

/** Expressions as tokenizers write them; each takes linear time on every text. */
const KNOWN_EXPRESSIONS = new Set([
	BYTE_LEVEL_EXPRESSION,
	// GPT-2 with its contractions factored out.
	"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
	// Llama 3, GPT-4's in the same words; Qwen: digits one by one; Qwen-like with pairs.
	...['\\p{N}{1,3}', '\\p{N}', '\\p{N}{1,2}', '\\p{N}+'].map(
		(digits) => `${CONTRACTIONS}|${WORDS}|${digits}|${PUNCTUATION}|${SPACES}`,
	),
	// nanochat and tiktoken write possessive quantifiers, which cut the same pieces.
	...['\\p{N}{1,2}', '\\p{N}{1,3}'].flatMap((digits) =>
		[`${PUNCTUATION}|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+`, `${PUNCTUATION}|${SPACES}`].map(
			(rest) => `'(?i:[sdmt]|ll|ve|re)|${WORDS}|${digits}|${rest}`,
		),
	),
])

/** The expression without possessive marks, which only forbid attempts that fail anyway. */
function withoutPossession(expression: string): string {
	return expression.replaceAll(/([?+*])\+/g, '$1')
}

/** True for an expression that `createPreTokenizer` takes. */
export function isKnownExpression(expression: string): boolean {
	return KNOWN_EXPRESSIONS.has(withoutPossession(expression))
}

/** Throws an Error for an expression that is not known. */
export function createPreTokenizer(stages: readonly PreTokenizerStage[]): PreTokenizer {
	const cuts = stages.map(createStage)
	return (text) => {
		let pieces: readonly string[] = [text]
		for (const cut of cuts) {
			const [only] = pieces
			pieces = pieces.length === 1 ? cut(only!) : pieces.flatMap(cut)
		}
		return pieces
	}
}

function createStage(stage: PreTokenizerStage): PreTokenizer {
	switch (stage.type) {
		case 'split':
			return splitter(toRegExp(stage.expression))
		case 'digits':
			return splitter(/\p{Nd}|\P{Nd}+/gu)
		case 'prefix-space':
			return (text) => [text.startsWith(' ') ? text : ` ${text}`]
	}
}

function toRegExp(expression: string): RegExp {
	if (!isKnownExpression(expression)) {
		throw new Error(`expected a known split expression, got ${JSON.stringify(expression)}`)
	}
	// The white space of JavaScript lacks U+0085 and has U+FEFF: not what Unicode and the trainers mean.
	const source = withoutPossession(expression)
		.replaceAll('\\s', '\\p{White_Space}')
		.replaceAll('\\S', '\\P{White_Space}')
	return new RegExp(source, 'gu')
}

/** Matches are pieces, and so is what lies between them. */
function splitter(expression: RegExp): PreTokenizer {
	return (text) => {
		const matches = text.match(expression) ?? []
		let length = 0
		for (const match of matches) length += match.length
		return length === text.length ? matches : withGaps(text, matches)
	}
}

function withGaps(text: string, matches: readonly string[]): string[] {
	const pieces: string[] = []
	let at = 0
	for (const match of matches) {
		const start = text.indexOf(match, at)
		if (start > at) pieces.push(text.slice(at, start))
		pieces.push(match)
		at = start + match.length
	}
	if (at < text.length) pieces.push(text.slice(at))
	return pieces
}
