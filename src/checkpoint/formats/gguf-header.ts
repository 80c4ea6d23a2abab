/*
 * The header of a GGUF file: key-values, then what each tensor is and where. Every count, length and
 * offset is checked before anything is allocated for it.
 * https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { quoted } from '../../lib/json.ts'
import { ByteCursor } from './byte-cursor.ts'
import type { ByteSource } from './byte-source.ts'
import { CheckpointError } from './checkpoint-error.ts'
import { GGML_TYPES, type GgmlType, OTHER_GGML_TYPES } from './ggml-types.ts'
import { TENSOR_COUNT_MAX, TENSOR_NAME_LENGTH_MAX } from './types.ts'

/** A number beyond the exact integers is NaN. */
export type GgufValue = number | boolean | string | readonly number[] | readonly string[]

export interface GgufTensor {
	readonly name: string
	/** Row-major: the file has the sizes in the other order. */
	readonly shape: readonly number[]
	readonly type: GgmlType
	/** Of its first byte in the file. */
	readonly position: number
}

export interface GgufHeader {
	readonly values: ReadonlyMap<string, GgufValue>
	readonly tensors: ReadonlyMap<string, GgufTensor>
}

/** First bytes of a file: `GGUF`. */
const MAGIC = [0x47, 0x47, 0x55, 0x46]
const VERSIONS = [2, 3]
const VALUES_MAX = 2 ** 16
const KEY_BYTES_MAX = 2 ** 10
/** Longest text: chat templates have some kilobytes. */
const TEXT_BYTES_MAX = 2 ** 20
const ARRAY_LENGTH_MAX = 2 ** 21
/** All texts and arrays together: the vocabulary is the most of it. */
const VALUES_BYTES_MAX = 2 ** 27
const DIMENSIONS_MAX = 4
const ALIGNMENT_DEFAULT = 32
const ALIGNMENT_MAX = 2 ** 16

export function isGguf(start: Uint8Array): boolean {
	return MAGIC.every((byte, i) => start[i] === byte)
}

/** Throws CheckpointError. */
export function readGgufHeader(source: ByteSource): GgufHeader {
	const cursor = new ByteCursor(source)
	const magic = cursor.bytes(MAGIC.length)
	if (!isGguf(magic)) {
		const shown = quoted(Buffer.from(magic).toString('latin1'))
		throw new CheckpointError(`expected the magic GGUF, got ${shown}`)
	}
	const version = cursor.u32()
	if (!VERSIONS.includes(version)) {
		const isSwapped = version !== 0 && (version & 0xffff) === 0
		const shown = isSwapped
			? `version ${version}, as big-endian files have it`
			: `version ${version}`
		throw new CheckpointError(`expected GGUF of version 2 or 3, little-endian, got ${shown}`)
	}
	const tensorCount = count(cursor.u64(), TENSOR_COUNT_MAX, 'tensor count')
	const valueCount = count(cursor.u64(), VALUES_MAX, 'kv count')
	const values = readValues(cursor, valueCount)
	const tensors = readTensors(cursor, tensorCount, alignmentOf(values))
	return { values, tensors: placed(tensors, cursor.position, alignmentOf(values), source.size) }
}

function count(found: number, max: number, what: string): number {
	if (found <= max) return found
	throw new CheckpointError(`${what}: expected at most ${max}, got ${shownCount(found)}`)
}

function shownCount(found: number): string {
	return Number.isNaN(found) ? 'more than 2^53' : String(found)
}

function readText(cursor: ByteCursor, max: number, what: string): string {
	const length = cursor.u64()
	if (!(length <= Math.min(max, cursor.remaining))) {
		throw new CheckpointError(
			`${what}: expected a string length of at most ${max}, ` +
				`and of ${cursor.remaining} bytes to the end of the file, got ${shownCount(length)}`,
		)
	}
	return Buffer.from(cursor.bytes(length)).toString('utf8')
}

const ARRAY = 9
const TEXT = 8

interface ScalarType {
	readonly bytes: number
	read(cursor: ByteCursor): number | boolean
}

const SCALARS: ReadonlyMap<number, ScalarType> = new Map<number, ScalarType>([
	[0, { bytes: 1, read: (cursor) => cursor.u8() }],
	[1, { bytes: 1, read: (cursor) => cursor.i8() }],
	[2, { bytes: 2, read: (cursor) => cursor.u16() }],
	[3, { bytes: 2, read: (cursor) => cursor.i16() }],
	[4, { bytes: 4, read: (cursor) => cursor.u32() }],
	[5, { bytes: 4, read: (cursor) => cursor.i32() }],
	[6, { bytes: 4, read: (cursor) => cursor.f32() }],
	[7, { bytes: 1, read: (cursor) => cursor.u8() !== 0 }],
	[10, { bytes: 8, read: (cursor) => cursor.u64() }],
	[11, { bytes: 8, read: (cursor) => cursor.i64() }],
	[12, { bytes: 8, read: (cursor) => cursor.f64() }],
])

function readValues(cursor: ByteCursor, valueCount: number): Map<string, GgufValue> {
	const values = new Map<string, GgufValue>()
	const start = cursor.position
	for (let i = 0; i < valueCount; i++) {
		const key = readText(cursor, KEY_BYTES_MAX, `key ${i}`)
		const name = quoted(key)
		if (values.has(key))
			throw new CheckpointError(`${name}: expected each key once, got a duplicate`)
		values.set(key, readValue(cursor, cursor.u32(), name))
		if (cursor.position - start > VALUES_BYTES_MAX) {
			throw new CheckpointError(`${name}: expected key-values of at most ${VALUES_BYTES_MAX} bytes`)
		}
	}
	return values
}

function readValue(cursor: ByteCursor, type: number, name: string): GgufValue {
	const scalar = SCALARS.get(type)
	if (scalar !== undefined) return scalar.read(cursor)
	if (type === TEXT) return readText(cursor, TEXT_BYTES_MAX, name)
	if (type !== ARRAY) {
		throw new CheckpointError(`${name}: expected a value type from 0 to 12, got type ${type}`)
	}
	const itemType = cursor.u32()
	const length = cursor.u64()
	const item = SCALARS.get(itemType)
	if (item === undefined && itemType !== TEXT) {
		const shown = itemType === ARRAY ? 'an array of arrays' : `an array of type ${itemType}`
		throw new CheckpointError(`${name}: expected an array of numbers or strings, got ${shown}`)
	}
	const limit = Math.min(ARRAY_LENGTH_MAX, Math.floor(cursor.remaining / (item?.bytes ?? 8)))
	if (!(length <= limit)) {
		throw new CheckpointError(
			`${name}: expected an array length of at most ${limit}, got ${shownCount(length)}`,
		)
	}
	if (item !== undefined) return Array.from({ length }, () => Number(item.read(cursor)))
	return Array.from({ length }, () => readText(cursor, TEXT_BYTES_MAX, name))
}

function alignmentOf(values: ReadonlyMap<string, GgufValue>): number {
	const alignment = values.get('general.alignment') ?? ALIGNMENT_DEFAULT
	const isPower = typeof alignment === 'number' && Number.isInteger(Math.log2(alignment))
	if (isPower && alignment >= 1 && alignment <= ALIGNMENT_MAX) return alignment
	throw new CheckpointError(
		`general.alignment: expected a power of two up to ${ALIGNMENT_MAX}, got ${alignment}`,
	)
}

/** Positions are still counted from where the data begins. */
function readTensors(
	cursor: ByteCursor,
	tensorCount: number,
	alignment: number,
): Map<string, GgufTensor> {
	const tensors = new Map<string, GgufTensor>()
	for (let i = 0; i < tensorCount; i++) {
		const name = readText(cursor, TENSOR_NAME_LENGTH_MAX, `name of tensor ${i}`)
		const shown = quoted(name)
		if (tensors.has(name)) {
			throw new CheckpointError(`${shown}: expected each tensor once, got a duplicate tensor`)
		}
		const dimensions = cursor.u32()
		if (dimensions < 1 || dimensions > DIMENSIONS_MAX) {
			throw new CheckpointError(`${shown}: expected 1 to ${DIMENSIONS_MAX} dims, got ${dimensions}`)
		}
		const sizes = Array.from({ length: dimensions }, () => cursor.u64())
		const type = tensorType(cursor.u32(), shown)
		checkSizes(sizes, type, shown)
		const offset = cursor.u64()
		if (!(offset % alignment === 0)) {
			throw new CheckpointError(
				`${shown}: expected an offset that is a multiple of the alignment ${alignment}, ` +
					`got ${shownCount(offset)}`,
			)
		}
		tensors.set(name, { name, shape: sizes.reverse(), type, position: offset })
	}
	return tensors
}

function tensorType(number: number, name: string): GgmlType {
	const type = GGML_TYPES.get(number)
	if (type !== undefined) return type
	const known = [...GGML_TYPES.values()].map((each) => each.name).join(', ')
	const shown = OTHER_GGML_TYPES.get(number) ?? `number ${number}`
	throw new CheckpointError(`${name}: expected a tensor type of ${known}, got ${shown}`)
}

function checkSizes(sizes: readonly number[], type: GgmlType, name: string): void {
	const total = sizes.reduce((product, size) => product * size, type.bytes)
	if (!(sizes.every((size) => size >= 1) && total <= Number.MAX_SAFE_INTEGER)) {
		throw new CheckpointError(
			`${name}: expected dims from 1 on whose bytes can be counted, got [${sizes.join(', ')}]`,
		)
	}
	if (sizes[0]! % type.numbers !== 0) {
		throw new CheckpointError(
			`${name}: expected rows of whole blocks, block size ${type.numbers} of ${type.name}, ` +
				`got rows of ${sizes[0]} numbers`,
		)
	}
}

/** The tensors with their positions in the file: each within it, none over another. */
function placed(
	tensors: ReadonlyMap<string, GgufTensor>,
	headerEnd: number,
	alignment: number,
	size: number,
): ReadonlyMap<string, GgufTensor> {
	const start = Math.ceil(headerEnd / alignment) * alignment
	let end = start
	const found = new Map<string, GgufTensor>()
	for (const tensor of [...tensors.values()].sort((a, b) => a.position - b.position)) {
		const position = start + tensor.position
		if (position < end) {
			throw new CheckpointError(
				`${quoted(tensor.name)}: expected an offset behind the tensor before it, got ${tensor.position}`,
			)
		}
		end = position + bytesOf(tensor)
		if (end > size) {
			throw new CheckpointError(
				`${quoted(tensor.name)}: expected data up to byte ${end} by its offset ${tensor.position}, ` +
					`got the end of the file at ${size}: it is truncated, or still arriving`,
			)
		}
		found.set(tensor.name, { ...tensor, position })
	}
	return found
}

function bytesOf({ shape, type }: GgufTensor): number {
	const numbers = shape.reduce((product, dimension) => product * dimension, 1)
	return (numbers / type.numbers) * type.bytes
}
