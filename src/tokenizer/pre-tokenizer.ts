/**
 * How a text is cut into pieces before byte-pair encoding: no merge crosses a cut. The expressions of
 * tokenizers are kept to those that are known, since one of a file could take for ever on a text that
 * is made for it.
 */

import type { Steps } from '../lib/steps.ts'
import { AddedTokenFinder } from './added-tokens.ts'

/** One stage; the stages of a tokenizer cut one after another. Plain data: crosses threads. */
export type PreTokenizerStage =
	| { readonly type: 'split'; readonly expression: string }
	/** Before, behind or around each `text`, which is left out where it is `removed`. */
	| { readonly type: 'split-at'; readonly text: string; readonly delimiter: DelimiterPlace }
	| { readonly type: 'digits' }
	| { readonly type: 'prefix-space' }
	/** Blanks become `▁`, one is put before the text, and each `▁` begins a piece. */
	| {
			readonly type: 'metaspace'
			readonly prepends: 'each' | 'first' | 'none'
			readonly cuts: boolean
	  }
	/** Runs of letters and digits, and runs of other characters; white space is left out. */
	| { readonly type: 'words' }
	/** What white space, left out, separates. */
	| { readonly type: 'white-space' }
	/** Each mark by itself. */
	| { readonly type: 'punctuation' }
	/** Each of these texts by itself, longer ones first. */
	| { readonly type: 'isolate'; readonly texts: readonly string[] }

export type DelimiterPlace = 'removed' | 'isolated' | 'with-previous' | 'with-next'

/** SentencePiece's blank. */
export const BLANK_MARK = '\u2581'

/** Cuts a stretch between reserved tokens into pieces. `isFirst`: the text starts with it. */
export type PreTokenizer = (text: string, isFirst: boolean) => readonly string[]

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
export function* createPreTokenizer(stages: readonly PreTokenizerStage[]): Steps<PreTokenizer> {
	const cuts: PreTokenizer[] = []
	for (const stage of stages) {
		cuts.push(stage.type === 'isolate' ? yield* isolating(stage.texts) : createStage(stage))
	}
	return (text, isFirst) => {
		let pieces: readonly string[] = [text]
		for (const cut of cuts) {
			const [only] = pieces
			if (pieces.length === 1) pieces = cut(only!, isFirst && text.startsWith(only!))
			else
				pieces = pieces.flatMap((piece, i) =>
					cut(piece, isFirst && i === 0 && text.startsWith(piece)),
				)
		}
		return pieces
	}
}

function createStage(stage: Exclude<PreTokenizerStage, { type: 'isolate' }>): PreTokenizer {
	switch (stage.type) {
		case 'split':
			return splitter(toRegExp(stage.expression))
		case 'split-at':
			return delimited(stage.text, stage.delimiter)
		case 'digits':
			return splitter(/\p{N}|\P{N}+/gu)
		case 'prefix-space':
			return (text) => [text.startsWith(' ') ? text : ` ${text}`]
		case 'metaspace':
			return (text, isFirst) => {
				const marked = text.replaceAll(' ', BLANK_MARK)
				const prepends = stage.prepends === 'each' || (stage.prepends === 'first' && isFirst)
				const whole = prepends && !marked.startsWith(BLANK_MARK) ? BLANK_MARK + marked : marked
				return stage.cuts ? (whole.match(/\u2581[^\u2581]*|[^\u2581]+/g) ?? []) : [whole]
			}
		case 'words':
			return (text) => text.match(WORDS_AND_MARKS) ?? []
		case 'white-space':
			return (text) => text.match(/\P{White_Space}+/gu) ?? []
		case 'punctuation':
			return splitter(/[!-/:-@[-`{-~\p{P}]/gu)
	}
}

/** Rust's `\w+|[^\w\s]+`. */
const WORDS_AND_MARKS =
	/[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu

function* isolating(texts: readonly string[]): Steps<PreTokenizer> {
	const plain = { isSpecial: false, stripsLeft: false, stripsRight: false, isWord: false }
	const finder = yield* AddedTokenFinder.of(texts.map((text, id) => ({ ...plain, id, text })))
	return (text) =>
		finder.segments(text).map((segment) => ('id' in segment ? texts[segment.id]! : segment.text))
}

function delimited(delimiter: string, place: DelimiterPlace): PreTokenizer {
	return (text) => {
		const parts = text.split(delimiter)
		const last = parts.length - 1
		const pieces = parts.flatMap((part, i) => {
			if (place === 'with-previous') return i === last ? [part] : [part + delimiter]
			if (place === 'with-next') return i === 0 ? [part] : [delimiter + part]
			return place === 'removed' || i === last ? [part] : [part, delimiter]
		})
		return pieces.filter((piece) => piece !== '')
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
