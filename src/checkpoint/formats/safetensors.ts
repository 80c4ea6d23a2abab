/*
 * safetensors: u64 length of a JSON header, the header, then the tensors' bytes without gaps. The header
 * maps each name to `{dtype, shape, data_offsets: [begin, end]}`, counted from the header's end.
 * https://github.com/huggingface/safetensors#format
 */
import { describeValue } from '../../lib/json.ts'
import type { ByteSource } from './byte-source.ts'
import { CheckpointError } from './checkpoint-error.ts'
import { JsonCursor } from './json-cursor.ts'
import { numberReader } from './number-format.ts'
import {
	type NumberFormat,
	type StoredTensor,
	TENSOR_COUNT_MAX,
	TENSOR_NAME_LENGTH_MAX,
} from './types.ts'

/** Length of the header. */
const PREAMBLE_BYTES = 8

/** Longest header, as the format's own reader has it. */
const HEADER_BYTES_MAX = 100_000_000

/** Longest entry of the header: a shape and two offsets. */
const ENTRY_BYTES_MAX = 4096

const WINDOW_BYTES = 2 ** 16

const RANK_MAX = 8

/** Bytes of one element, by the format's names. */
const DTYPE_BYTES: Readonly<Record<string, number>> = {
	F64: 8,
	F32: 4,
	F16: 2,
	BF16: 2,
	I64: 8,
	I32: 4,
	I16: 2,
	I8: 1,
	U64: 8,
	U32: 4,
	U16: 2,
	U8: 1,
	BOOL: 1,
	F8_E4M3: 1,
	F8_E5M2: 1,
}

/** Those whose numbers can be weights. */
const NUMBER_FORMATS: Readonly<Record<string, NumberFormat>> = {
	F32: 'f32',
	F16: 'f16',
	BF16: 'bf16',
}

interface Entry {
	readonly name: string
	readonly dtype: string
	readonly shape: readonly number[]
	/** Offsets from the header's end, in bytes. */
	readonly begin: number
	readonly end: number
}

/**
 * Reads the header and checks that its tensors cover the file exactly, each byte once. Throws
 * CheckpointError. Tensors of integers are listed and refused when they are read.
 */
export function openSafetensors(source: ByteSource): ReadonlyMap<string, StoredTensor> {
	const headerBytes = headerLength(source)
	const dataStart = PREAMBLE_BYTES + headerBytes
	const tensors = new Map<string, StoredTensor>()
	const entries: Entry[] = []
	const header = new JsonCursor(
		{
			size: headerBytes,
			read: (into, position) => source.read(into, PREAMBLE_BYTES + position),
			expectUnchanged: () => source.expectUnchanged(),
			[Symbol.dispose]: () => {},
		},
		WINDOW_BYTES,
	)
	header.eachEntry('header', (name) => {
		if (name === '__metadata__') {
			header.skipValue(name)
			return
		}
		if (tensors.has(name)) throw new CheckpointError(`${name}: expected once, got twice`)
		if (tensors.size === TENSOR_COUNT_MAX) {
			throw new CheckpointError(`header: expected at most ${TENSOR_COUNT_MAX} tensors, got more`)
		}
		const entry = parseEntry(name, header.readValue(name, ENTRY_BYTES_MAX))
		entries.push(entry)
		tensors.set(name, toStoredTensor(source, entry, dataStart))
	})
	header.expectEnd()
	checkCoverage(entries, source.size - dataStart)
	return tensors
}

function headerLength(source: ByteSource): number {
	if (source.size < PREAMBLE_BYTES) {
		throw new CheckpointError(`expected a safetensors file, got ${source.size} bytes`)
	}
	const preamble = new Uint8Array(PREAMBLE_BYTES)
	source.read(preamble, 0)
	const length = new DataView(preamble.buffer).getBigUint64(0, true)
	const max = Math.min(HEADER_BYTES_MAX, source.size - PREAMBLE_BYTES)
	if (length > max) {
		throw new CheckpointError(`header length: expected at most ${max} bytes, got ${length}`)
	}
	return Number(length)
}

function parseEntry(name: string, json: unknown): Entry {
	if (name.length > TENSOR_NAME_LENGTH_MAX) {
		throw new CheckpointError(
			`${name.slice(0, 40)}…: expected a name of at most ${TENSOR_NAME_LENGTH_MAX} characters`,
		)
	}
	const { dtype, shape, data_offsets: offsets } = (json ?? {}) as Readonly<Record<string, unknown>>
	if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype)) {
		const known = Object.keys(DTYPE_BYTES).join(', ')
		throw new CheckpointError(`${name}: expected a dtype of ${known}, got ${describeValue(dtype)}`)
	}
	if (!isList(shape, RANK_MAX)) {
		throw new CheckpointError(
			`${name}: expected a shape of at most ${RANK_MAX} sizes, got ${describeValue(shape)}`,
		)
	}
	if (!isList(offsets, 2) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
		throw new CheckpointError(
			`${name}: expected data_offsets [begin, end], got ${describeValue(offsets)}`,
		)
	}
	const [begin, end] = offsets as [number, number]
	const bytes = shape.reduce((product, size) => product * size, DTYPE_BYTES[dtype]!)
	if (bytes !== end - begin) {
		throw new CheckpointError(
			`${name}: expected ${bytes} bytes by its shape [${shape.join(', ')}] of ${dtype}, ` +
				`got data_offsets of ${end - begin}`,
		)
	}
	return { name, dtype, shape, begin, end }
}

function isList(value: unknown, lengthMax: number): value is readonly number[] {
	return (
		Array.isArray(value) &&
		value.length <= lengthMax &&
		value.every((item) => Number.isSafeInteger(item) && item >= 0)
	)
}

/** Every byte belongs to one tensor: no overlap, no gap, nothing behind the last one. */
function checkCoverage(entries: readonly Entry[], dataBytes: number): void {
	let end = 0
	for (const entry of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
		if (entry.begin !== end) {
			const problem =
				entry.begin < end ? 'it overlaps another tensor' : 'bytes before it are unused'
			throw new CheckpointError(
				`${entry.name}: expected data_offsets from ${end} on, got ${entry.begin}: ${problem}`,
			)
		}
		end = entry.end
		if (end > dataBytes) {
			throw new CheckpointError(
				`${entry.name}: expected data up to byte ${end}, got the end of the file at ${dataBytes}`,
			)
		}
	}
	if (end !== dataBytes) {
		throw new CheckpointError(
			`expected the file to end behind its last tensor, got ${dataBytes - end} more bytes`,
		)
	}
}

function toStoredTensor(source: ByteSource, entry: Entry, dataStart: number): StoredTensor {
	const { name, dtype, shape, begin, end } = entry
	const format = NUMBER_FORMATS[dtype]
	const elements = (end - begin) / DTYPE_BYTES[dtype]!
	return {
		name,
		shape,
		dtype,
		format: format ?? null,
		elements: [elements, elements],
		open(kernels) {
			if (format === undefined) {
				const known = Object.keys(NUMBER_FORMATS).join(', ')
				throw new CheckpointError(`${name}: expected numbers of ${known}, got ${dtype}`)
			}
			return numberReader(kernels, source, format, dataStart + begin)
		},
	}
}
