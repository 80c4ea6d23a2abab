/* tokenizer.model: a message of Protocol Buffers with pieces, how they were trained, and how texts are normalized. */
import { Charsmap } from './charsmap.ts'
import type { NormalizerStage } from './normalizer.ts'
import type { PieceKind, SentencePieceVocabulary } from './sentencepiece.ts'
import { expected, VOCAB_SIZE_MAX } from './verify.ts'

/** What a tokenizer.model says, and the ids that it names; -1 = none. */
export interface SentencePieceModel
	extends Pick<
		SentencePieceVocabulary,
		'algorithm' | 'pieces' | 'scores' | 'kinds' | 'normalizer' | 'removesExtraBlanks'
	> {
	/** A blank is put before a text. */
	readonly addsPrefix: boolean
	readonly bosId: number
	readonly eosId: number
}

const KINDS: readonly PieceKind[] = [
	'normal',
	'unknown',
	'control',
	'user-defined',
	'unused',
	'byte',
]

/** Reads the fields that matter. Throws an Error that says what was expected and what came. */
export function parseSentencePieceModel(bytes: Uint8Array): SentencePieceModel {
	const pieces: string[] = []
	const scores: number[] = []
	const kinds: PieceKind[] = []
	let trainer: Message = new Map()
	let normalizer: Message = new Map()
	for (const [field, value] of fieldsOf(bytes)) {
		const at = `tokenizer.model: field ${field}`
		if (field === 1) {
			if (pieces.length === VOCAB_SIZE_MAX) {
				throw expected('tokenizer.model: pieces', `at most ${VOCAB_SIZE_MAX}`, 'more')
			}
			const piece = message(at, value)
			pieces.push(text(at, piece.get(1)))
			scores.push(float(at, piece.get(2)))
			kinds.push(kindOf(`tokenizer.model: type of piece ${kinds.length}`, piece.get(3)))
		} else if (field === 2) trainer = message(at, value)
		else if (field === 3) normalizer = message(at, value)
		else if (field === 5 && message(at, value).get(2) !== undefined) {
			throw expected('tokenizer.model: denormalizer_spec', 'nothing', 'rules')
		}
	}
	const type = integer('tokenizer.model: model_type', trainer.get(3), 1)
	if (type !== 1 && type !== 2) {
		throw expected('tokenizer.model: model_type', '1 (unigram) or 2 (BPE)', type)
	}
	const isSuffix = integer('tokenizer.model: treat_whitespace_as_suffix', trainer.get(24), 0)
	if (isSuffix !== 0) throw expected('tokenizer.model: treat_whitespace_as_suffix', 'false', true)
	if (integer('tokenizer.model: escape_whitespaces', normalizer.get(5), 1) === 0) {
		throw expected('tokenizer.model: escape_whitespaces', 'true', false)
	}
	return {
		algorithm: type === 1 ? 'unigram' : 'bpe',
		pieces,
		scores,
		kinds,
		normalizer: charsmap(normalizer.get(2)),
		addsPrefix: integer('tokenizer.model: add_dummy_prefix', normalizer.get(3), 1) !== 0,
		removesExtraBlanks:
			integer('tokenizer.model: remove_extra_whitespaces', normalizer.get(4), 1) !== 0,
		bosId: integer('tokenizer.model: bos_id', trainer.get(41), 1),
		eosId: integer('tokenizer.model: eos_id', trainer.get(42), 2),
	}
}

function charsmap(value: FieldValue | undefined): NormalizerStage[] {
	if (value === undefined) return []
	if (!(value instanceof Uint8Array))
		throw expected('tokenizer.model: precompiled_charsmap', 'bytes', value)
	if (value.length === 0) return []
	const map = value.slice()
	// Throws for a table that is none.
	new Charsmap(map)
	return [{ type: 'charsmap', map, unit: 'prefix' }]
}

function kindOf(path: string, value: FieldValue | undefined): PieceKind {
	const kind = KINDS[integer(path, value, 1) - 1]
	if (kind === undefined) throw expected(path, `1 to ${KINDS.length}`, value)
	return kind
}

/** Bytes of a field: a number as it stands, a text or message without its length. */
type FieldValue = number | Uint8Array

/** The last value of each field. */
type Message = Map<number, FieldValue>

function message(path: string, value: FieldValue): Message {
	if (!(value instanceof Uint8Array)) throw expected(path, 'a message', value)
	return new Map(fieldsOf(value))
}

/** Fields in their order. Numbers are varints up to 2^53, or the bits of 32-bit fields. */
function* fieldsOf(bytes: Uint8Array): Generator<[field: number, value: FieldValue]> {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
	let at = 0
	const need = (count: number) => {
		if (count > bytes.length - at) {
			throw expected('tokenizer.model', `${count} more bytes`, bytes.length - at)
		}
		at += count
		return at - count
	}
	const varint = () => {
		let value = 0
		for (let scale = 1, i = 0; i < 10; i++, scale *= 128) {
			const byte = bytes[need(1)]!
			value += (byte & 0x7f) * scale
			if (byte < 0x80) return value
		}
		throw expected('tokenizer.model', 'a varint of at most 10 bytes', 'a longer one')
	}
	while (at < bytes.length) {
		const tag = varint()
		const field = Math.floor(tag / 8)
		switch (tag % 8) {
			case 0:
				yield [field, varint()]
				break
			case 1:
				need(8)
				break
			case 2: {
				const length = varint()
				const start = need(length)
				yield [field, bytes.subarray(start, start + length)]
				break
			}
			case 5:
				yield [field, view.getUint32(need(4), true)]
				break
			default:
				throw expected('tokenizer.model: wire type', '0, 1, 2 or 5', tag % 8)
		}
	}
}

const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function text(path: string, value: FieldValue | undefined): string {
	if (!(value instanceof Uint8Array)) throw expected(`${path}: piece`, 'a text', value)
	try {
		return STRICT_UTF8.decode(value)
	} catch {
		throw expected(`${path}: piece`, 'UTF-8', `${value.length} other bytes`)
	}
}

function float(path: string, value: FieldValue | undefined): number {
	if (value === undefined) return 0
	if (typeof value !== 'number') throw expected(`${path}: score`, 'a number', 'bytes')
	return new Float32Array(Uint32Array.of(value).buffer)[0]!
}

/** Negative numbers are written as 64 bits. */
function integer(path: string, value: FieldValue | undefined, fallback: number): number {
	if (value === undefined) return fallback
	if (typeof value !== 'number') throw expected(path, 'an integer', 'bytes')
	return value >= 2 ** 63 ? -1 : value
}
