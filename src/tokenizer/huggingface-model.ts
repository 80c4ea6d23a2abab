/* The `model` of a tokenizer.json: its vocabulary, and how pieces become tokens. */
import type { ByteBpeSpec, PieceModel, PieceSpec } from './tokenizer.ts'
import {
	expected,
	type Fields,
	isAbsent,
	isId,
	list,
	record,
	TOKEN_LENGTH_MAX,
	VOCAB_SIZE_MAX,
} from './verify.ts'

const PATH = 'tokenizer.json.model'
/** What a character without a piece costs beside the worst piece, as the library has it. */
const UNKNOWN_PENALTY = 10

type Merges = ByteBpeSpec['merges']
type ParsedModel = Pick<PieceSpec, 'vocab' | 'model' | 'unknownId' | 'fusesUnknown' | 'byteIds'>

/** Models whose tokens are pieces of text. */
export function parsePieceModel(model: Fields): ParsedModel {
	switch (model['type']) {
		case 'Unigram':
			return parseUnigram(model)
		case 'WordLevel':
			return parseWordLevel(model)
		default:
			return parsePieceBpe(model)
	}
}

function parsePieceBpe(model: Fields): ParsedModel {
	const ids = parseVocab(`${PATH}.vocab`, model['vocab'])
	const entries = list(`${PATH}.merges`, model['merges'], VOCAB_SIZE_MAX)
	const byteIds = model['byte_fallback'] === true ? parseByteIds(ids) : []
	const bytes = new Set(byteIds)
	const merges = new Int32Array(entries.length * 4)
	for (const [rank, merge] of parseMerges(`${PATH}.merges`, entries, ids).entries()) {
		if (bytes.has(merge[0]) || bytes.has(merge[1])) {
			throw expected(`${PATH}.merges[${rank}]`, 'no merge of byte tokens', entries[rank])
		}
		merges.set([...merge, rank], rank * 4)
	}
	return {
		vocab: tokensById(ids),
		model: { type: 'bpe', merges, characters: [], ignoresMerges: model['ignore_merges'] === true },
		unknownId: parseUnknown(model['unk_token'], ids),
		fusesUnknown: model['fuse_unk'] === true,
		byteIds,
	}
}

function parseWordLevel(model: Fields): ParsedModel {
	const ids = parseVocab(`${PATH}.vocab`, model['vocab'])
	const unknownId = parseUnknown(model['unk_token'], ids)
	return {
		vocab: tokensById(ids),
		model: { type: 'word' },
		unknownId,
		fusesUnknown: false,
		byteIds: [],
	}
}

function parseUnigram(model: Fields): ParsedModel {
	const entries = list(`${PATH}.vocab`, model['vocab'], VOCAB_SIZE_MAX)
	const scores = new Float64Array(entries.length)
	const vocab = entries.map((entry, id) => {
		const at = `${PATH}.vocab[${id}]`
		const [piece, score] = list(at, entry, 2)
		if (typeof piece !== 'string' || piece.length > TOKEN_LENGTH_MAX) {
			throw expected(at, 'a piece and its score', entry)
		}
		if (typeof score !== 'number') throw expected(`${at}[1]`, 'a number', score)
		scores[id] = score
		return piece
	})
	const { unk_id: unknownId } = model
	if (!isAbsent(unknownId) && !(isId(unknownId) && unknownId < vocab.length)) {
		throw expected(`${PATH}.unk_id`, `an id below ${vocab.length}`, unknownId)
	}
	const ids = new Map(vocab.map((piece, id) => [piece, id]))
	const unigram: PieceModel = {
		type: 'unigram',
		scores,
		unknownScore: scores.reduce((min, score) => Math.min(min, score), 0) - UNKNOWN_PENALTY,
		isSinglePrecision: false,
	}
	return {
		vocab,
		model: unigram,
		unknownId: unknownId ?? null,
		fusesUnknown: true,
		byteIds: model['byte_fallback'] === true ? parseByteIds(ids) : [],
	}
}

function parseUnknown(token: unknown, ids: ReadonlyMap<string, number>): number | null {
	if (isAbsent(token)) return null
	const id = typeof token === 'string' ? ids.get(token) : undefined
	if (id === undefined) throw expected(`${PATH}.unk_token`, 'a token of the vocabulary', token)
	return id
}

/** Ids of the bytes 0 … 255; none where the vocabulary has none of them. */
function parseByteIds(ids: ReadonlyMap<string, number>): number[] {
	const tokens = Array.from({ length: 256 }, (_, byte) => {
		return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
	})
	const missing = tokens.filter((token) => !ids.has(token))
	if (missing.length === 256) return []
	if (missing.length > 0) throw expected(`${PATH}.vocab`, 'all 256 byte tokens or none', missing[0])
	return tokens.map((token) => ids.get(token)!)
}

function tokensById(ids: ReadonlyMap<string, number>): string[] {
	let size = 0
	for (const id of ids.values()) size = Math.max(size, id + 1)
	const vocab = new Array<string>(size).fill('')
	for (const [token, id] of ids) vocab[id] = token
	return vocab
}

/** Ids by token. */
export function parseVocab(path: string, value: unknown): Map<string, number> {
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
export function parseMerges(
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
