/* What a tokenizer.json does to a text before and behind its model. */
import { isRecord } from '../lib/json.ts'
import type { AddedToken } from './added-tokens.ts'
import { Charsmap } from './charsmap.ts'
import type { NormalizerStage } from './normalizer.ts'
import {
	BLANK_MARK,
	BYTE_LEVEL_EXPRESSION,
	type DelimiterPlace,
	isKnownExpression,
	type PreTokenizerStage,
} from './pre-tokenizer.ts'
import type { PieceDecoding } from './tokenizer.ts'
import {
	expected,
	expectValue,
	type Fields,
	isAbsent,
	isId,
	list,
	record,
	VOCAB_SIZE_MAX,
} from './verify.ts'

const ADDED_TOKENS_MAX = 2 ** 14
/** Most UTF-16 units of an added token, or of a text that is replaced. */
const ADDED_LENGTH_MAX = 256
/** Stages within each other or one after another. */
const STAGES_MAX = 8
/** Tokens that a post-processor puts around a text. */
const PREFIX_LENGTH_MAX = 8

export function parseAddedTokens(path: string, value: unknown): AddedToken[] {
	return list(path, value, ADDED_TOKENS_MAX).map((item, index) => {
		const token = record(`${path}[${index}]`, item)
		const { content, id } = token
		if (typeof content !== 'string' || content.length > ADDED_LENGTH_MAX) {
			throw expected(`${path}[${index}].content`, `at most ${ADDED_LENGTH_MAX} characters`, content)
		}
		if (!isId(id)) throw expected(`${path}[${index}].id`, `an id below ${VOCAB_SIZE_MAX}`, id)
		return {
			id,
			text: content,
			isSpecial: token['special'] === true,
			stripsLeft: token['lstrip'] === true,
			stripsRight: token['rstrip'] === true,
			isWord: token['single_word'] === true,
			isNormalized: token['normalized'] === true,
		}
	})
}

/** Stages in their order. */
export function parseNormalizer(path: string, value: unknown, depth = 0): NormalizerStage[] {
	if (isAbsent(value)) return []
	if (depth === STAGES_MAX) throw expected(path, `at most ${STAGES_MAX} levels`, 'more')
	const stage = record(path, value)
	switch (stage['type']) {
		case 'Sequence':
			return list(`${path}.normalizers`, stage['normalizers'], STAGES_MAX).flatMap((item, i) =>
				parseNormalizer(`${path}.normalizers[${i}]`, item, depth + 1),
			)
		case 'NFC':
		case 'NFD':
		case 'NFKC':
		case 'NFKD':
			return [{ type: 'unicode', form: stage['type'] }]
		case 'Lowercase':
			return [{ type: 'lowercase' }]
		case 'Strip':
			return [
				{
					type: 'strip',
					left: stage['strip_left'] !== false,
					right: stage['strip_right'] !== false,
				},
			]
		case 'Prepend':
			return [
				{ type: 'prepend', text: shortText(`${path}.prepend`, stage['prepend']), where: 'each' },
			]
		case 'Replace':
			return [parseReplace(path, stage)]
		case 'Precompiled':
			return parseCharsmap(`${path}.precompiled_charsmap`, stage['precompiled_charsmap'])
		default: {
			const known =
				'NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend, Replace, Precompiled or Sequence'
			throw expected(`${path}.type`, known, stage['type'])
		}
	}
}

function parseReplace(path: string, stage: Fields): NormalizerStage {
	const pattern = record(`${path}.pattern`, stage['pattern'])
	const to = shortText(`${path}.content`, stage['content'])
	if (pattern['Regex'] === undefined) {
		const from = shortText(`${path}.pattern.String`, pattern['String'])
		if (from === '') throw expected(`${path}.pattern.String`, 'a text that is not empty', from)
		return { type: 'replace', from, to }
	}
	expectValue(`${path}.pattern.Regex`, pattern['Regex'], [' {2,}'])
	return { type: 'blank-runs', to }
}

function parseCharsmap(path: string, value: unknown): NormalizerStage[] {
	if (value === null) return []
	if (typeof value !== 'string') throw expected(path, 'base64', value)
	const map = new Uint8Array(Buffer.from(value, 'base64'))
	// Throws for a table that is none.
	new Charsmap(map)
	return [{ type: 'charsmap', map, unit: 'grapheme' }]
}

/** `isByteLevel`: pieces become bytes, which the model takes for characters. */
export function parsePreTokenizer(value: unknown): {
	readonly stages: PreTokenizerStage[]
	readonly isByteLevel: boolean
} {
	const path = 'tokenizer.json.pre_tokenizer'
	if (isAbsent(value)) return { stages: [], isByteLevel: false }
	const outer = record(path, value)
	const isSequence = outer['type'] === 'Sequence'
	const items = isSequence
		? list(`${path}.pretokenizers`, outer['pretokenizers'], STAGES_MAX)
		: [outer]
	const isByteLevel = items.map((item) => isRecord(item) && item['type'] === 'ByteLevel')
	if (isByteLevel.slice(0, -1).includes(true)) {
		throw expected(path, 'ByteLevel as the last stage', 'others behind it')
	}
	return {
		stages: items.flatMap((item, index) => parseStage(`${path}[${index}]`, record(path, item))),
		isByteLevel: isByteLevel.at(-1) === true,
	}
}

const DELIMITERS: Readonly<Record<string, DelimiterPlace>> = {
	Removed: 'removed',
	Isolated: 'isolated',
	MergedWithPrevious: 'with-previous',
	MergedWithNext: 'with-next',
}
const PREPENDING = { always: 'each', first: 'first', never: 'none' } as const

function parseStage(path: string, stage: Fields): PreTokenizerStage[] {
	switch (stage['type']) {
		case 'ByteLevel':
			return [
				...(stage['add_prefix_space'] === true ? [{ type: 'prefix-space' } as const] : []),
				...(stage['use_regex'] === false
					? []
					: [{ type: 'split', expression: BYTE_LEVEL_EXPRESSION } as const]),
			]
		case 'Digits':
			if (stage['individual_digits'] !== true) {
				throw expected(`${path}.individual_digits`, 'true', stage['individual_digits'])
			}
			return [{ type: 'digits' }]
		case 'Metaspace': {
			expectValue(`${path}.replacement`, stage['replacement'], [BLANK_MARK])
			return [
				{ type: 'metaspace', prepends: prepending(path, stage), cuts: stage['split'] !== false },
			]
		}
		case 'Whitespace':
			return [{ type: 'words' }]
		case 'WhitespaceSplit':
			return [{ type: 'white-space' }]
		case 'Punctuation':
			expectValue(`${path}.behavior`, stage['behavior'], [undefined, 'Isolated'])
			return [{ type: 'punctuation' }]
		case 'BertPreTokenizer':
			return [{ type: 'white-space' }, { type: 'punctuation' }]
		case 'Split':
			return [parseSplit(path, stage)]
		default: {
			const known =
				'ByteLevel, Metaspace, Digits, Split, Whitespace, WhitespaceSplit, Punctuation or BertPreTokenizer'
			throw expected(`${path}.type`, known, stage['type'])
		}
	}
}

function prepending(path: string, stage: Fields): 'each' | 'first' | 'none' {
	const older = stage['add_prefix_space'] === false ? 'never' : 'always'
	const scheme = stage['prepend_scheme'] ?? older
	expectValue(`${path}.prepend_scheme`, scheme, Object.keys(PREPENDING))
	return PREPENDING[scheme as keyof typeof PREPENDING]
}

function parseSplit(path: string, stage: Fields): PreTokenizerStage {
	const pattern = isRecord(stage['pattern']) ? stage['pattern'] : {}
	const { Regex: expression, String: text } = pattern
	if (expression === undefined) {
		expectValue(`${path}.invert`, stage['invert'], [undefined, false])
		expectValue(`${path}.behavior`, stage['behavior'], Object.keys(DELIMITERS))
		const delimiter = shortText(`${path}.pattern.String`, text)
		if (delimiter === '') throw expected(`${path}.pattern.String`, 'a text that is not empty', text)
		return {
			type: 'split-at',
			text: delimiter,
			delimiter: DELIMITERS[stage['behavior'] as string]!,
		}
	}
	// What a known expression does not match is nothing, so leaving that out changes nothing.
	const keepsMatches = stage['invert'] === true ? 'Removed' : 'Isolated'
	expectValue(`${path}.behavior`, stage['behavior'], [keepsMatches])
	if (typeof expression !== 'string' || !isKnownExpression(expression)) {
		throw expected(`${path}.pattern.Regex`, 'a regex that is known here', expression)
	}
	return { type: 'split', expression }
}

/** What a template puts before a single text; nothing may stand behind it. */
export function parsePostProcessor(value: unknown, added: readonly AddedToken[]): number[] {
	const path = 'tokenizer.json.post_processor'
	if (isAbsent(value)) return []
	const processor = record(path, value)
	switch (processor['type']) {
		case 'ByteLevel':
			return []
		case 'Sequence':
			return list(`${path}.processors`, processor['processors'], 8).flatMap((item) =>
				parsePostProcessor(item, added),
			)
		case 'TemplateProcessing':
			return parseTemplate(`${path}.single`, processor['single'], added)
		default:
			throw expected(`${path}.type`, 'ByteLevel, TemplateProcessing or Sequence', processor['type'])
	}
}

function parseTemplate(path: string, value: unknown, added: readonly AddedToken[]): number[] {
	const prefix: number[] = []
	let hasText = false
	for (const item of list(path, value, PREFIX_LENGTH_MAX)) {
		const part = record(path, item)
		if (isRecord(part['Sequence'])) {
			hasText = true
			continue
		}
		const special = record(`${path}.SpecialToken`, part['SpecialToken'])
		const token = added.find(({ text }) => text === special['id'])
		if (token === undefined) throw expected(path, 'added tokens', special['id'])
		// A prompt is to be continued: what would end it is left out, as generating libraries do.
		if (!hasText) prefix.push(token.id)
	}
	return prefix
}

/** How tokens become text; none joins them with blanks. */
export function parseDecoder(value: unknown): PieceDecoding {
	const path = 'tokenizer.json.decoder'
	const plain: PieceDecoding = {
		readsBlankMarks: false,
		separator: '',
		dropsAtStart: 'nothing',
		byteRuns: 'whole',
	}
	if (isAbsent(value)) return { ...plain, separator: ' ' }
	const outer = record(path, value)
	const isSequence = outer['type'] === 'Sequence'
	const items = isSequence ? list(`${path}.decoders`, outer['decoders'], STAGES_MAX) : [outer]
	let decoding = plain
	let isFused = false
	for (const [i, item] of items.entries()) {
		const at = isSequence ? `${path}.decoders[${i}]` : path
		const stage = record(at, item)
		if (stage['type'] === 'Fuse') isFused = true
		else decoding = { ...decoding, ...parseDecoderStage(at, stage, isFused) }
	}
	return decoding
}

function parseDecoderStage(path: string, stage: Fields, isFused: boolean): Partial<PieceDecoding> {
	switch (stage['type']) {
		case 'ByteFallback':
			return {}
		case 'Replace': {
			const pattern = record(`${path}.pattern`, stage['pattern'])
			expectValue(`${path}.pattern.String`, pattern['String'], [BLANK_MARK])
			expectValue(`${path}.content`, stage['content'], [' '])
			return { readsBlankMarks: true }
		}
		case 'Metaspace': {
			expectValue(`${path}.replacement`, stage['replacement'], [BLANK_MARK])
			const drops = prepending(path, stage) === 'none' ? 'nothing' : 'first-token'
			return { readsBlankMarks: true, dropsAtStart: drops }
		}
		case 'Strip':
			expectValue(`${path}.content`, stage['content'], [' '])
			expectValue(`${path}.start`, stage['start'], [0, 1])
			expectValue(`${path}.stop`, stage['stop'], [0])
			if (!isFused) throw expected(path, 'Fuse before Strip', 'none')
			return stage['start'] === 1 ? { dropsAtStart: 'one' } : {}
		default:
			throw expected(
				`${path}.type`,
				'ByteLevel, Replace, ByteFallback, Fuse, Strip or Metaspace',
				stage['type'],
			)
	}
}

function shortText(path: string, value: unknown): string {
	if (typeof value !== 'string' || value.length > ADDED_LENGTH_MAX) {
		throw expected(path, `a text of at most ${ADDED_LENGTH_MAX} characters`, value)
	}
	return value
}
