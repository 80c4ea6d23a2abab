/*
 * tokenizer.bin of llama2.c: for each id a score, a length and the piece's text, in which a blank is a
 * blank. The first ids are those of Llama's SentencePiece: unknown, beginning, end, then the bytes.
 */
import { BLANK_MARK } from './pre-tokenizer.ts'
import { type PieceKind, sentencePieceSpec } from './sentencepiece.ts'
import type { PieceSpec } from './tokenizer.ts'
import { expected } from './verify.ts'

const [UNKNOWN, BOS, EOS] = [0, 1, 2]
/** Longest piece in bytes. */
const PIECE_BYTES_MAX = 2 ** 12

/** Verifies the tokenizer of a model of so many tokens. Throws an Error that names what is wrong. */
export function parseLlama2cTokenizer(bytes: Uint8Array, vocabSize: number): PieceSpec {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
	const pieces: string[] = []
	const scores = new Float32Array(vocabSize)
	// The longest piece's length comes first.
	let at = 4
	for (let id = 0; id < vocabSize; id++) {
		const place = `tokenizer.bin: piece ${id}`
		if (at + 8 > bytes.length) throw expected(place, 'a score and a length', 'the end of the file')
		scores[id] = view.getFloat32(at, true)
		const length = view.getInt32(at + 4, true)
		at += 8
		if (length < 0 || length > PIECE_BYTES_MAX || at + length > bytes.length) {
			throw expected(`${place}: length`, `0 to ${PIECE_BYTES_MAX} within the file`, length)
		}
		pieces.push(Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString('utf8'))
		at += length
	}
	if (at !== bytes.length) {
		throw expected(
			'tokenizer.bin',
			`${vocabSize} pieces by vocab_size`,
			`${bytes.length - at} more bytes`,
		)
	}
	const kinds = pieces.map(kindOf)
	return sentencePieceSpec('tokenizer.bin', {
		algorithm: 'bpe',
		pieces: pieces.map((piece, id) =>
			isControl(id) ? piece.trim() : piece.replaceAll(' ', BLANK_MARK),
		),
		scores,
		kinds,
		prefix: 'first',
		removesExtraBlanks: false,
		readsReserved: false,
		byteRuns: 'characters',
		promptPrefix: kinds[BOS] === 'control' ? [BOS] : [],
		endTokenIds: kinds[EOS] === 'control' ? [EOS] : [],
	})
}

function isControl(id: number): boolean {
	return id === BOS || id === EOS
}

function kindOf(piece: string, id: number): PieceKind {
	if (id === UNKNOWN) return 'unknown'
	if (isControl(id)) return 'control'
	return /^<0x[0-9A-F]{2}>$/.test(piece) ? 'byte' : 'normal'
}
