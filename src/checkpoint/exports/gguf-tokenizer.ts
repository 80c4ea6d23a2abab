/*
 * Tokenizers in the key-values of a GGUF file, for llama.cpp: `gpt2` is byte-level BPE whose split expression
 * goes by a name, `llama` is SentencePiece's BPE with scores.
 */
import { Fault } from '../../lib/fault.ts'
import { END_OF_TEXT } from '../../tokenizer/bpe.ts'
import { toByteAlphabet, utf8Bytes } from '../../tokenizer/byte-alphabet.ts'
import { PRE_TOKENIZERS } from '../../tokenizer/gguf.ts'
import type {
	ByteBpeSpec,
	PieceSpec,
	TokenizerSpec,
	TrainerTokenizerSpec,
} from '../../tokenizer/tokenizer.ts'
import type { GgufField } from './gguf-writer.ts'
import { chatTemplate } from './hugging-face.ts'

export interface GgufTokenizer {
	/** Keys behind `tokenizer.`. */
	readonly values: ReadonlyMap<string, GgufField>
	/** In words, where its ids may differ from ours. */
	readonly differences: readonly string[]
}

/** What a token is, by the format's number. */
const NORMAL = 1
const UNKNOWN = 2
const CONTROL = 3
const USER_DEFINED = 4
const UNUSED = 5
const BYTE = 6

interface Token {
	readonly text: string
	readonly type: number
}

/** llama.cpp takes a token for the end of texts in any case: of models that have none an added one. */
export const ADDED_END = '<|end_of_exported_text|>'

/**
 * For a table of `rows` tokens, of which the last is `ADDED_END` where nothing else ends texts. Throws Fault
 * `invalid` for tokenizers that llama.cpp does not have.
 */
export function ggufTokenizer(spec: TokenizerSpec, rows: number): GgufTokenizer {
	switch (spec.type) {
		case 'byte-bpe':
			return byteBpe(spec, rows)
		case 'pieces':
			return pieces(spec, rows)
		case 'word':
			throw new Fault('invalid', 'llama.cpp has no tokenizer of words')
		default:
			return trainer(spec, rows)
	}
}

/** Ids that end texts. */
export function endIds(spec: TokenizerSpec): readonly number[] {
	if ('endTokenIds' in spec) return spec.endTokenIds
	const { vocab, specialTokens } = spec
	return specialTokens.includes(END_OF_TEXT) ? [vocab.lastIndexOf(END_OF_TEXT)] : []
}

/** Characters merge from their bytes before anything else, then as the trainer has it. */
function trainer(spec: TrainerTokenizerSpec, rows: number): GgufTokenizer {
	const { vocab, merges, specialTokens, mergeOrder } = spec
	const written = vocab.map((text) => toByteAlphabet(utf8Bytes(text)))
	const reserved = new Set(specialTokens.map((text) => vocab.lastIndexOf(text)))
	const tokens = vocab.map((text, id): Token => {
		return reserved.has(id) ? { text, type: CONTROL } : { text: written[id]!, type: NORMAL }
	})
	const differences: string[] = []
	const digits = merges.filter(([a, b]) => /\p{N}/u.test(vocab[a]! + vocab[b]!)).length
	if (digits > 0)
		differences.push(`numbers are cut before they merge (${digits} merges have digits)`)
	const selfMerges = merges.filter(([left, right]) => left === right).length
	if (selfMerges > 0) {
		differences.push(
			`runs of a token that merges with itself (${selfMerges} merges) may be cut elsewhere`,
		)
	}
	if (mergeOrder === 'plain' && merges.length > 0) {
		differences.push('merges of the same rank apply from left to right')
	}
	const template = chatTemplate(specialTokens)
	return {
		values: new Map<string, GgufField>([
			['ggml.model', { text: 'gpt2' }],
			// Of all that llama.cpp has this one cuts least: at numbers only.
			['ggml.pre', { text: 'superbpe' }],
			...tokenLists(filled(spec, tokens, rows)),
			[
				'ggml.merges',
				{
					texts: [
						...characterMerges(vocab),
						...merges.map(([left, right]) => `${written[left]} ${written[right]}`),
					],
				},
			],
			...endFields(endIds(spec), rows),
			['ggml.add_bos_token', { flag: false }],
			...(template === null ? [] : [['chat_template', { text: template }] as const]),
		]),
		differences,
	}
}

/** How the bytes of each character beyond ASCII come together. */
function characterMerges(vocab: readonly string[]): Iterable<string> {
	const merges = new Set<string>()
	for (const character of new Set(vocab.flatMap((text) => [...text]))) {
		const bytes = toByteAlphabet(utf8Bytes(character))
		for (let at = 1; at < bytes.length; at++) merges.add(`${bytes.slice(0, at)} ${bytes[at]}`)
	}
	return merges
}

function byteBpe(spec: ByteBpeSpec, rows: number): GgufTokenizer {
	const { vocab, merges, preTokenizer, ignoresMerges, normalization } = spec
	const pre = Object.entries(PRE_TOKENIZERS).find(([, kind]) => {
		return (
			(kind.ignoresMerges ?? false) === ignoresMerges && Bun.deepEquals(kind.stages, preTokenizer)
		)
	})?.[0]
	if (pre === undefined) {
		throw new Fault('invalid', 'llama.cpp has no pre-tokenizer that cuts texts as this model does')
	}
	const added = addedTokens(spec)
	const written = vocab.map(toByteAlphabet)
	const tokens = written.map((text, id): Token => {
		return added.get(id) ?? (text === '' ? unused(id) : { text, type: NORMAL })
	})
	return {
		values: new Map<string, GgufField>([
			['ggml.model', { text: 'gpt2' }],
			['ggml.pre', { text: pre }],
			...tokenLists(filled(spec, tokens, rows)),
			['ggml.merges', { texts: merges.map(([a, b]) => `${written[a]} ${written[b]}`) }],
			...foreignFields(spec, rows),
		]),
		differences: [
			...(normalization === 'nfc' ? ['texts are not normalized (NFC) first'] : []),
			...endDifferences(spec),
		],
	}
}

function pieces(spec: PieceSpec, rows: number): GgufTokenizer {
	const { vocab, model, byteIds, unknownId } = spec
	const prefix = blankPrefix(spec)
	if (model.type !== 'bpe' || byteIds.length === 0 || prefix === null) {
		throw new Fault('invalid', 'llama.cpp has no tokenizer that cuts texts as this model does')
	}
	const added = addedTokens(spec)
	const bytes = new Set(byteIds)
	const tokens = vocab.map((text, id): Token => {
		if (id === unknownId) return { text, type: UNKNOWN }
		if (bytes.has(id)) return { text, type: BYTE }
		return added.get(id) ?? (text === '' ? unused(id) : { text, type: NORMAL })
	})
	const { scores, odd } = scoresOf(vocab, model.merges, tokens)
	const differences = endDifferences(spec)
	if (odd > 0) {
		differences.push(
			`${odd} pieces merge in an order that scores cannot say: texts may be cut elsewhere`,
		)
	}
	if (prefix === 'first') differences.push('a blank is put also behind reserved tokens')
	const all = filled(spec, tokens, rows)
	return {
		values: new Map<string, GgufField>([
			['ggml.model', { text: 'llama' }],
			['ggml.pre', { text: 'default' }],
			...tokenLists(all),
			['ggml.scores', { f32s: all.map((_, id) => scores[id] ?? 0) }],
			['ggml.add_space_prefix', { flag: prefix !== 'none' }],
			...(unknownId === null ? [] : [['ggml.unknown_token_id', { u32: unknownId }] as const]),
			...foreignFields(spec, rows),
		]),
		differences,
	}
}

/** Which stretches get a blank in front; null when a text is prepared otherwise than by SentencePiece. */
function blankPrefix({ normalizer, preTokenizer }: PieceSpec): 'each' | 'first' | 'none' | null {
	const [stage, ...others] = preTokenizer
	if (stage?.type === 'metaspace' && !stage.cuts && others.length + normalizer.length === 0) {
		return stage.prepends
	}
	if (stage !== undefined) return null
	const marks = normalizer.at(-1)
	const isMarked = marks?.type === 'replace' && marks.from === ' ' && marks.to === '\u2581'
	const first = normalizer[0]
	if (!isMarked || normalizer.length > 2) return null
	if (normalizer.length === 1) return 'none'
	return first?.type === 'prepend' && first.text === '\u2581' ? first.where : null
}

/**
 * A score for each piece, so that the best one merges first as its rank says; `odd` counts the pieces for
 * which no score can say it.
 */
function scoresOf(vocab: readonly string[], merges: Int32Array, tokens: readonly Token[]) {
	const ranks = new Map<number, { low: number; high: number; ways: number }>()
	for (let at = 0; at < merges.length; at += 4) {
		const [result, rank] = [merges[at + 2]!, merges[at + 3]!]
		const found = ranks.get(result) ?? { low: rank, high: rank, ways: 0 }
		const [low, high] = [Math.min(found.low, rank), Math.max(found.high, rank)]
		ranks.set(result, { low, high, ways: found.ways + 1 })
	}
	const normal = new Set(vocab.filter((_, id) => tokens[id]?.type === NORMAL))
	let odd = 0
	let end = -1
	const scores: number[] = []
	for (const [id, { low, high, ways }] of [...ranks].sort(([, a], [, b]) => a.low - b.low)) {
		scores[id] = -low
		const characters = [...vocab[id]!]
		const cuts = characters.slice(1).filter((_, i) => {
			const left = characters.slice(0, i + 1).join('')
			return normal.has(left) && normal.has(characters.slice(i + 1).join(''))
		})
		// Pieces of one rank are equals to SentencePiece too.
		if (cuts.length !== ways || low < end) odd++
		end = Math.max(end, high)
	}
	return { scores, odd }
}

function addedTokens({ addedTokens }: ByteBpeSpec | PieceSpec): ReadonlyMap<number, Token> {
	return new Map(
		addedTokens
			.filter(({ text }) => text !== '')
			.map(({ id, text, isSpecial }) => [id, { text, type: isSpecial ? CONTROL : USER_DEFINED }]),
	)
}

function unused(id: number): Token {
	return { text: `[PAD${id}]`, type: UNUSED }
}

/** A token for each row; the last one is the added end where nothing else ends texts. */
function filled(spec: TokenizerSpec, tokens: readonly Token[], rows: number): readonly Token[] {
	const all = Array.from({ length: rows }, (_, id) => tokens[id] ?? unused(id))
	return endIds(spec).length > 0 ? all : all.with(-1, { text: ADDED_END, type: CONTROL })
}

function tokenLists(tokens: readonly Token[]): (readonly [string, GgufField])[] {
	return [
		['ggml.tokens', { texts: tokens.map(({ text }) => text) }],
		['ggml.token_type', { i32s: tokens.map(({ type }) => type) }],
	]
}

/** Where llama.cpp looks for ids that end a text, in turn. */
const END_KEYS = ['ggml.eos_token_id', 'ggml.eot_token_id', 'ggml.eom_token_id']

function endFields(ends: readonly number[], rows: number): (readonly [string, GgufField])[] {
	const found = ends.length === 0 ? [rows - 1] : ends.slice(0, END_KEYS.length)
	return found.map((id, i) => [END_KEYS[i]!, { u32: id }] as const)
}

function endDifferences({ endTokenIds }: ByteBpeSpec | PieceSpec): string[] {
	const more = endTokenIds.length - END_KEYS.length
	return more > 0 ? [`${more} of the ids that end texts have no place in the file`] : []
}

/** What begins and ends texts, and the template of chats. */
function foreignFields(
	{ promptPrefix, endTokenIds, chatTemplate }: ByteBpeSpec | PieceSpec,
	rows: number,
): (readonly [string, GgufField])[] {
	const [bos, ...others] = promptPrefix
	if (others.length > 0) {
		throw new Fault('invalid', 'llama.cpp puts one token before a prompt at most')
	}
	return [
		...endFields(endTokenIds, rows),
		['ggml.add_bos_token', { flag: bos !== undefined }],
		...(bos === undefined ? [] : [['ggml.bos_token_id', { u32: bos }] as const]),
		...(chatTemplate ? [['chat_template', { text: chatTemplate.text }] as const] : []),
	]
}
