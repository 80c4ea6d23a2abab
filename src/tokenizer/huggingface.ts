/*
 * Tokenizers as Hugging Face's libraries write them: `tokenizer.json`, or `vocab.json` with `merges.txt`.
 * What is understood is byte-level BPE; everything else is refused by name, since a tokenizer that is
 * nearly right gives a model texts that it was not trained on.
 */
import { describeValue, isRecord } from '../lib/json.ts'
import type { AddedToken } from './added-tokens.ts'
import { fromByteAlphabet, utf8Bytes } from './byte-alphabet.ts'
import {
	BYTE_LEVEL_EXPRESSION,
	isKnownExpression,
	type PreTokenizerStage,
} from './pre-tokenizer.ts'
import type { ByteBpeSpec } from './tokenizer.ts'

/** Most ids of a vocabulary, and most merges. */
const VOCAB_SIZE_MAX = 2 ** 20
/** Most UTF-16 units of one token. */
const TOKEN_LENGTH_MAX = 2 ** 16
const ADDED_TOKENS_MAX = 2 ** 14
/** Most UTF-16 units of an added token. */
const ADDED_LENGTH_MAX = 256
/** Tokens that a post-processor puts around a text. */
const PREFIX_LENGTH_MAX = 8

type Fields = Readonly<Record<string, unknown>>
type Merges = ByteBpeSpec['merges']

/** The parts of a tokenizer as they stand in their files, parsed as JSON. */
export interface TokenizerFiles {
	/** tokenizer.json; or else the next two. */
	readonly tokenizer: unknown
	/** vocab.json: ids by token. */
	readonly vocab: unknown
	/** merges.txt. */
	readonly merges: string | undefined
	/** tokenizer_config.json. */
	readonly config: unknown
	/** Ids that end a text: of generation_config.json, or of config.json. */
	readonly endTokenIds: readonly number[]
}

/** Verifies a tokenizer. Throws an Error that says what was expected and what came. */
export function parseHuggingFaceTokenizer(files: TokenizerFiles): ByteBpeSpec {
	if (files.tokenizer !== undefined) return parseTokenizerJson(files)
	if (files.vocab === undefined || files.merges === undefined) {
		throw new Error('tokenizer: expected tokenizer.json, or vocab.json and merges.txt, got neither')
	}
	const lines = files.merges
		.split('\n')
		.filter((line) => line !== '' && !line.startsWith('#version'))
	const config = isRecord(files.config) ? files.config : {}
	const decoder = isRecord(config['added_tokens_decoder']) ? config['added_tokens_decoder'] : {}
	const addedTokens = Object.entries(decoder).map(([id, token]) =>
		isRecord(token) ? { ...token, id: Number(id) } : token,
	)
	const ids = parseVocab('vocab.json', files.vocab)
	const added = parseAddedTokens('tokenizer_config.json.added_tokens_decoder', addedTokens)
	return {
		type: 'byte-bpe',
		...assemble(ids, added, parseMerges('merges.txt', lines, ids)),
		ignoresMerges: false,
		normalization: 'none',
		preTokenizer: [
			...(config['add_prefix_space'] === true ? [{ type: 'prefix-space' } as const] : []),
			{ type: 'split', expression: BYTE_LEVEL_EXPRESSION },
		],
		promptPrefix: [],
		endTokenIds: files.endTokenIds,
	}
}

function parseTokenizerJson(files: TokenizerFiles): ByteBpeSpec {
	const json = record('tokenizer.json', files.tokenizer)
	const model = record('tokenizer.json.model', json['model'])
	expectValue('tokenizer.json.model.type', model['type'], ['BPE'])
	expectValue('tokenizer.json.model.dropout', model['dropout'], [undefined, null, 0])
	for (const key of ['continuing_subword_prefix', 'end_of_word_suffix']) {
		expectValue(`tokenizer.json.model.${key}`, model[key], [undefined, null, ''])
	}
	expectValue('tokenizer.json.model.byte_fallback', model['byte_fallback'], [undefined, false])
	const decoder = record('tokenizer.json.decoder', json['decoder'])
	expectValue('tokenizer.json.decoder.type', decoder['type'], ['ByteLevel'])
	const ids = parseVocab('tokenizer.json.model.vocab', model['vocab'])
	const added = parseAddedTokens('tokenizer.json.added_tokens', json['added_tokens'] ?? [])
	const merges = list('tokenizer.json.model.merges', model['merges'], VOCAB_SIZE_MAX)
	return {
		type: 'byte-bpe',
		...assemble(ids, added, parseMerges('tokenizer.json.model.merges', merges, ids)),
		ignoresMerges: model['ignore_merges'] === true,
		normalization: parseNormalizer(json['normalizer']),
		preTokenizer: parsePreTokenizer(json['pre_tokenizer']),
		promptPrefix: parsePostProcessor(json['post_processor'], added),
		endTokenIds: files.endTokenIds,
	}
}

function assemble(ids: ReadonlyMap<string, number>, added: readonly AddedToken[], merges: Merges) {
	let size = 0
	for (const id of ids.values()) size = Math.max(size, id + 1)
	for (const { id } of added) size = Math.max(size, id + 1)
	const vocab = new Array<string>(size).fill('')
	for (const [token, id] of ids) vocab[id] = fromByteAlphabet(token) ?? utf8Bytes(token)
	for (const { id, text } of added) vocab[id] = utf8Bytes(text)
	const specialTokens = added.filter((token) => token.isSpecial).map(({ text }) => text)
	return { vocab, merges, addedTokens: added, specialTokens }
}

function parseVocab(path: string, value: unknown): Map<string, number> {
	const entries = Object.entries(record(path, value))
	if (entries.length > VOCAB_SIZE_MAX) {
		throw expected(path, `at most ${VOCAB_SIZE_MAX} tokens`, entries.length)
	}
	const ids = new Map<string, number>()
	const tokens = new Map<number, string>()
	for (const [token, id] of entries) {
		const at = `${path}[${JSON.stringify(token.slice(0, 40))}]`
		if (token.length > TOKEN_LENGTH_MAX) throw expected(at, 'a shorter token', token)
		if (!isId(id)) throw expected(at, `an id below ${VOCAB_SIZE_MAX}`, id)
		const other = tokens.get(id)
		if (other !== undefined) {
			throw new Error(`${at}: expected an id of its own, got ${id}, which is that of another token`)
		}
		tokens.set(id, token)
		ids.set(token, id)
	}
	return ids
}

/** Merges are "left right" or [left, right]; what they make must be a token. */
function parseMerges(
	path: string,
	entries: readonly unknown[],
	ids: ReadonlyMap<string, number>,
): Merges {
	return entries.map((entry, index) => {
		const parts = typeof entry === 'string' ? entry.split(' ') : entry
		const at = `${path}[${index}]`
		if (!Array.isArray(parts) || parts.length !== 2 || !parts.every((p) => typeof p === 'string')) {
			throw expected(at, 'two tokens', entry)
		}
		const [left, right] = parts as [string, string]
		const idOf = (token: string) => {
			const id = ids.get(token)
			if (id === undefined) throw expected(at, 'a merge of known tokens', token)
			return id
		}
		return [idOf(left), idOf(right), idOf(left + right)] as const
	})
}

function parseAddedTokens(path: string, value: unknown): AddedToken[] {
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
		}
	})
}

function parseNormalizer(value: unknown): ByteBpeSpec['normalization'] {
	if (isAbsent(value)) return 'none'
	const normalizer = record('tokenizer.json.normalizer', value)
	expectValue('tokenizer.json.normalizer.type', normalizer['type'], ['NFC'])
	return 'nfc'
}

/** ByteLevel alone, or after splits by an expression and into digits. */
function parsePreTokenizer(value: unknown): PreTokenizerStage[] {
	const path = 'tokenizer.json.pre_tokenizer'
	const outer = record(path, value)
	const isSequence = outer['type'] === 'Sequence'
	const items = isSequence ? list(`${path}.pretokenizers`, outer['pretokenizers'], 8) : [outer]
	const stages = items.flatMap((item, index) => parseStage(`${path}[${index}]`, record(path, item)))
	const last = items.at(-1)
	expectValue(`${path}.type`, isRecord(last) ? last['type'] : undefined, ['ByteLevel'])
	return stages
}

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
		case 'Split': {
			expectValue(`${path}.behavior`, stage['behavior'], ['Isolated'])
			expectValue(`${path}.invert`, stage['invert'], [undefined, false])
			const pattern = isRecord(stage['pattern']) ? stage['pattern'] : {}
			const expression = pattern['Regex']
			if (typeof expression !== 'string' || !isKnownExpression(expression)) {
				throw expected(`${path}.pattern.Regex`, 'a regex that is known here', expression)
			}
			return [{ type: 'split', expression }]
		}
		default:
			throw expected(`${path}.type`, 'ByteLevel, Digits or Split', stage['type'])
	}
}

/** What a template puts before a single text; nothing may stand behind it. */
function parsePostProcessor(value: unknown, added: readonly AddedToken[]): number[] {
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

function isAbsent(value: unknown): value is undefined | null {
	return value === undefined || value === null
}

function isId(value: unknown): value is number {
	return Number.isInteger(value) && (value as number) >= 0 && (value as number) < VOCAB_SIZE_MAX
}

function record(path: string, value: unknown): Fields {
	if (!isRecord(value)) throw expected(path, 'an object', value)
	return value
}

function list(path: string, value: unknown, lengthMax: number): readonly unknown[] {
	if (!Array.isArray(value) || value.length > lengthMax) {
		throw expected(path, `an array of at most ${lengthMax}`, value)
	}
	return value
}

function expectValue(path: string, value: unknown, allowed: readonly unknown[]): void {
	if (allowed.includes(value)) return
	throw expected(
		path,
		allowed
			.filter((each) => each !== undefined)
			.map(describeValue)
			.join(' or '),
		value,
	)
}

function expected(path: string, wanted: string, got: unknown): Error {
	return new Error(`${path}: expected ${wanted}, got ${describeValue(got)}`)
}
