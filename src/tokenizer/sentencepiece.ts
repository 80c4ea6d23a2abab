/* Vocabularies of SentencePiece, in whatever file they come: pieces with scores. */
import type { AddedToken } from './added-tokens.ts'
import type { NormalizerStage } from './normalizer.ts'
import { BLANK_MARK } from './pre-tokenizer.ts'
import type { PieceDecoding, PieceModel, PieceSpec } from './tokenizer.ts'
import { expected, TOKEN_LENGTH_MAX, VOCAB_SIZE_MAX } from './verify.ts'

export type PieceKind = 'normal' | 'unknown' | 'control' | 'user-defined' | 'byte' | 'unused'

export interface SentencePieceVocabulary {
	/** `bpe`: the pair whose result has the best score merges first. */
	readonly algorithm: 'bpe' | 'unigram'
	/** By id, with U+2581 for a blank; a byte is written `<0xE2>`. */
	readonly pieces: readonly string[]
	/** By id. */
	readonly scores: ArrayLike<number>
	/** By id. */
	readonly kinds: readonly PieceKind[]
	/** What is done to a text before the marks for blanks come in. Default none. */
	readonly normalizer?: readonly NormalizerStage[]
	/** Which stretches of text between reserved tokens get a blank in front. */
	readonly prefix: 'each' | 'first' | 'none'
	/** Runs of blanks become one, and those around a text go. */
	readonly removesExtraBlanks: boolean
	/** Control pieces that stand in a prompt's text are read as such. */
	readonly readsReserved: boolean
	/** See `PieceDecoding`. */
	readonly byteRuns: PieceDecoding['byteRuns']
	readonly promptPrefix: readonly number[]
	readonly endTokenIds: readonly number[]
}

/** What a character without a piece costs beside the worst piece, as SentencePiece has it. */
const UNKNOWN_PENALTY = 10
/** Sum of the squared lengths of all pieces: the work to find how they merge. */
const SQUARED_LENGTHS_MAX = 2 ** 27

/** Verifies a vocabulary. Throws an Error that begins with `source` and says what was expected. */
export function sentencePieceSpec(source: string, vocabulary: SentencePieceVocabulary): PieceSpec {
	const { pieces, scores, kinds, removesExtraBlanks, prefix } = vocabulary
	if (pieces.length === 0 || pieces.length > VOCAB_SIZE_MAX) {
		throw expected(`${source}: pieces`, `1 to ${VOCAB_SIZE_MAX}`, pieces.length)
	}
	for (const [id, piece] of pieces.entries()) {
		const at = `${source}: piece ${id}`
		if (piece.length > TOKEN_LENGTH_MAX) throw expected(at, 'a shorter piece', piece)
		if (!Number.isFinite(scores[id])) throw expected(`${at}: score`, 'a finite number', scores[id])
	}
	const userDefined = pieces.filter((piece, id) => kinds[id] === 'user-defined' && piece !== '')
	return {
		type: 'pieces',
		vocab: pieces,
		model: vocabulary.algorithm === 'bpe' ? merges(source, vocabulary) : unigram(vocabulary),
		unknownId: idOfUnknown(vocabulary),
		fusesUnknown: true,
		byteIds: byteIds(source, vocabulary),
		addedTokens: reservedTokens(vocabulary),
		specialTokens: pieces.filter((_, id) => isReserved(kinds[id]!)),
		normalizer: [
			...(vocabulary.normalizer ?? []),
			...(removesExtraBlanks ? [{ type: 'extra-blanks' } as const] : []),
			...(prefix === 'none' ? [] : [{ type: 'prepend', text: BLANK_MARK, where: prefix } as const]),
			{ type: 'replace', from: ' ', to: BLANK_MARK },
		],
		preTokenizer: userDefined.length === 0 ? [] : [{ type: 'isolate', texts: userDefined }],
		decoder: {
			readsBlankMarks: true,
			separator: '',
			dropsAtStart: removesExtraBlanks ? 'all' : prefix === 'none' ? 'nothing' : 'one',
			byteRuns: vocabulary.byteRuns,
		},
		promptPrefix: vocabulary.promptPrefix,
		endTokenIds: vocabulary.endTokenIds,
	}
}

function isReserved(kind: PieceKind): boolean {
	return kind === 'control' || kind === 'unknown'
}

function reservedTokens({ pieces, kinds, readsReserved }: SentencePieceVocabulary): AddedToken[] {
	return pieces.flatMap((piece, id): AddedToken[] => {
		if (!isReserved(kinds[id]!)) return []
		// A token without text is never found.
		const text = readsReserved ? piece : ''
		return [{ id, text, isSpecial: true, stripsLeft: false, stripsRight: false, isWord: false }]
	})
}

function idOfUnknown({ kinds }: SentencePieceVocabulary): number | null {
	const id = kinds.indexOf('unknown')
	return id < 0 ? null : id
}

/** Ids of the bytes 0 … 255; none, or all of them. */
function byteIds(source: string, { pieces, kinds }: SentencePieceVocabulary): number[] {
	const ids = new Array<number>(256).fill(-1)
	let count = 0
	for (const [id, kind] of kinds.entries()) {
		if (kind !== 'byte') continue
		const [, hex] = /^<0x([0-9A-Fa-f]{2})>$/.exec(pieces[id]!) ?? []
		if (hex === undefined) throw expected(`${source}: byte piece ${id}`, 'as <0xE2>', pieces[id])
		const byte = Number.parseInt(hex, 16)
		if (ids[byte] !== -1)
			throw expected(`${source}: byte piece ${id}`, 'each byte once', pieces[id])
		ids[byte] = id
		count++
	}
	if (count === 0) return []
	if (count !== 256) throw expected(`${source}: byte pieces`, 'none, or all 256', count)
	return ids
}

/**
 * All ways in which two pieces make a third, by its score. A character that is no piece may still begin
 * or end one.
 */
function merges(source: string, { pieces, scores, kinds }: SentencePieceVocabulary): PieceModel {
	const ids = new Map<string, number>()
	let work = 0
	for (const [id, piece] of pieces.entries()) {
		if (kinds[id] !== 'normal' || piece === '') continue
		ids.set(piece, id)
		work += piece.length ** 2
	}
	if (work > SQUARED_LENGTHS_MAX) {
		throw expected(`${source}: sum of squared lengths`, `at most ${SQUARED_LENGTHS_MAX}`, work)
	}
	const characters: string[] = []
	const idOf = (part: string): number | undefined => {
		const known = ids.get(part)
		if (known !== undefined || part.length !== (part.codePointAt(0)! > 0xffff ? 2 : 1)) return known
		const id = pieces.length + characters.length
		ids.set(part, id)
		characters.push(part)
		return id
	}
	const results = [...ids.values()].sort((a, b) => scores[b]! - scores[a]!)
	const found: number[] = []
	let rank = -1
	let rankedScore = Number.NaN
	for (const id of results) {
		if (scores[id] !== rankedScore) rank++
		rankedScore = scores[id]!
		const piece = pieces[id]!
		for (let at = 1; at < piece.length; at++) {
			const isWithinCharacter = piece.codePointAt(at - 1)! > 0xffff
			if (isWithinCharacter) continue
			const left = idOf(piece.slice(0, at))
			const right = idOf(piece.slice(at))
			if (left !== undefined && right !== undefined) found.push(left, right, id, rank)
		}
	}
	return { type: 'bpe', merges: Int32Array.from(found), characters, ignoresMerges: false }
}

function unigram({ pieces, scores, kinds }: SentencePieceVocabulary): PieceModel {
	const own = Float64Array.from(pieces, (_, id) =>
		kinds[id] === 'normal' ? scores[id]! : Number.NEGATIVE_INFINITY,
	)
	const lowest = own.reduce(
		(min, score) => (score < min && score > -Infinity ? score : min),
		Infinity,
	)
	const unknownScore = Math.fround((Number.isFinite(lowest) ? lowest : 0) - UNKNOWN_PENALTY)
	return { type: 'unigram', scores: own, unknownScore, isSinglePrecision: true }
}
