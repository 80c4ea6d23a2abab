/*
 * The binary form: "ALPH", u32 header length, a JSON header, then the tensors' little-endian f32 in the
 * order of `header.tensors` without padding. The file's length follows from its header.
 */

import { describeValue, isRecord } from '../../lib/json.ts'
import { parseModelConfig } from '../../model/parse-model-config.ts'
import { parseTokenizerSpec } from '../../tokenizer/tokenizer-spec.ts'
import { type ByteSource, memorySource } from './byte-source.ts'
import { CheckpointError } from './checkpoint-error.ts'
import { JsonCursor, parseJson } from './json-cursor.ts'
import {
	type CheckpointFile,
	type StoredTensor,
	TENSOR_COUNT_MAX,
	TENSOR_NAME_LENGTH_MAX,
} from './types.ts'

const MAGIC = [0x41, 0x4c, 0x50, 0x48]

/** Magic and header length. */
export const PREAMBLE_BYTES = 8

/** Longest header; a vocabulary of 100,000 entries with its merges needs some 5 MB. */
export const HEADER_BYTES_MAX = 2 ** 24

/** Longest JSON of the tensor list; each takes some 100 bytes. */
const TENSORS_BYTES_MAX = 2 ** 23

const PARAMETER_PREFIX = 'p.'

export function isBinaryForm(start: Uint8Array): boolean {
	return MAGIC.every((byte, i) => start[i] === byte)
}

/** Reads and checks the header of a binary checkpoint, its length included. */
export function openBinary(source: ByteSource): CheckpointFile {
	const preamble = new Uint8Array(PREAMBLE_BYTES)
	source.read(preamble, 0)
	const headerBytes = headerLength(preamble)
	if (PREAMBLE_BYTES + headerBytes > source.size) {
		throw new CheckpointError(
			`expected a header of ${headerBytes} bytes, got a file of ${source.size}`,
		)
	}
	const bytes = new Uint8Array(headerBytes)
	source.read(bytes, PREAMBLE_BYTES)
	const header = parseHeader(bytes)
	const { entries, end } = layOut(header['tensors'], PREAMBLE_BYTES + headerBytes)
	if (end !== source.size) {
		throw new CheckpointError(
			`expected a file of ${end} bytes by its header, got one of ${source.size}`,
		)
	}
	const tensors = parameters(source, entries)
	return {
		form: 'binary',
		step: header['step'],
		parseConfig: () => parseModelConfig(header['modelConfig'], 'binary'),
		parseTokenizer: () => parseTokenizerSpec(header['tokenizerArtifacts'], 'binary'),
		tensorsOf: () => tensors,
	}
}

/** Length of the header by the file's first 8 bytes. */
export function headerLength(preamble: Uint8Array): number {
	const view = new DataView(preamble.buffer, preamble.byteOffset, preamble.byteLength)
	const length = view.getUint32(MAGIC.length, true)
	if (length > HEADER_BYTES_MAX) {
		throw new CheckpointError(
			`expected a header of at most ${HEADER_BYTES_MAX} bytes, got ${length}`,
		)
	}
	return length
}

/** Length of the whole file by its header. Throws CheckpointError for a header that makes no sense. */
export function declaredLength(headerJson: Uint8Array): number {
	const tensors = lastTensorsKey(headerJson) ?? tensorsKey(headerJson)
	return layOut(tensors, PREAMBLE_BYTES + headerJson.byteLength).end
}

/**
 * The tensor list where it is the header's last key, as the trainer writes it: saves looking at the
 * vocabulary. Text that merely looks like that key leaves the rest unbalanced, so it does not parse.
 */
function lastTensorsKey(headerJson: Uint8Array): unknown {
	const bytes = Buffer.from(headerJson.buffer, headerJson.byteOffset, headerJson.byteLength)
	const at = bytes.lastIndexOf('"tensors"')
	if (at === -1 || bytes.length - at > TENSORS_BYTES_MAX) return undefined
	try {
		const tail = JSON.parse(`{${bytes.toString('utf8', at)}`) as { readonly tensors?: unknown }
		return tail.tensors
	} catch {
		return undefined
	}
}

/** The tensor list wherever it is; all else is passed over unparsed. */
function tensorsKey(headerJson: Uint8Array): unknown {
	const header = new JsonCursor(memorySource(headerJson), headerJson.byteLength)
	let tensors: unknown
	header.eachEntry('header', (key) => {
		if (key === 'tensors') tensors = header.readValue('header.tensors', TENSORS_BYTES_MAX)
		else header.skipValue(key)
	})
	return tensors
}

function parseHeader(bytes: Uint8Array): Readonly<Record<string, unknown>> {
	const header = parseJson(bytes, 'header')
	if (!isRecord(header)) {
		throw new CheckpointError(`header: expected an object, got ${describeValue(header)}`)
	}
	return header
}

interface TensorEntry {
	readonly name: string
	readonly shape: unknown
	readonly elements: number
	readonly offset: number
}

/** Gives each declared tensor its offset; `end` is where the last one ends. */
function layOut(json: unknown, dataStart: number): { entries: TensorEntry[]; end: number } {
	if (!Array.isArray(json) || json.length > TENSOR_COUNT_MAX) {
		throw new CheckpointError(
			`header.tensors: expected an array of at most ${TENSOR_COUNT_MAX}, got ${describeValue(json)}`,
		)
	}
	let end = dataStart
	const entries = json.map((item: unknown, i): TensorEntry => {
		const at = `header.tensors[${i}]`
		const { name, shape, elements } = (item ?? {}) as Readonly<Record<string, unknown>>
		if (typeof name !== 'string' || name.length > TENSOR_NAME_LENGTH_MAX) {
			throw new CheckpointError(`${at}.name: expected a name, got ${describeValue(name)}`)
		}
		if (!Number.isSafeInteger(elements) || (elements as number) < 0) {
			throw new CheckpointError(
				`${at}.elements: expected a count of numbers, got ${describeValue(elements)}`,
			)
		}
		const offset = end
		end += (elements as number) * Float32Array.BYTES_PER_ELEMENT
		if (!Number.isSafeInteger(end)) {
			throw new CheckpointError(`${at}.elements: expected a size that fits a file, got ${elements}`)
		}
		return { name, shape, elements: elements as number, offset }
	})
	return { entries, end }
}

function parameters(
	source: ByteSource,
	entries: readonly TensorEntry[],
): ReadonlyMap<string, StoredTensor> {
	const tensors = new Map<string, StoredTensor>()
	for (const entry of entries) {
		if (!entry.name.startsWith(PARAMETER_PREFIX)) continue
		const name = entry.name.slice(PARAMETER_PREFIX.length)
		if (tensors.has(name)) throw new CheckpointError(`${name}: expected once, got twice`)
		tensors.set(name, {
			name,
			shape: entry.shape,
			dtype: 'F32',
			format: 'f32',
			elements: [entry.elements, entry.elements],
			open: () => openTensor(source, entry),
		})
	}
	return tensors
}

function openTensor(source: ByteSource, entry: TensorEntry) {
	let position = entry.offset
	return {
		read(out: Float32Array): void {
			// The platforms that we run on are little-endian, like the file.
			source.read(new Uint8Array(out.buffer, out.byteOffset, out.byteLength), position)
			position += out.byteLength
		},
		// The header fixed the count, and verification compared it with the shape.
		expectEnd(): void {},
	}
}
