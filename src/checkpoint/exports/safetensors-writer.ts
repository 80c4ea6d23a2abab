import { closeSync, openSync } from 'node:fs'
import { toBf16 } from './number-bytes.ts'
import { writeAll } from './write-all.ts'

/** Number formats of the weights of an export. */
export type ExportDtype = 'f32' | 'bf16'

export interface OutputShape {
	readonly name: string
	readonly shape: readonly number[]
}

const DTYPE_NAMES = { f32: 'F32', bf16: 'BF16' } as const
const BYTES = { f32: 4, bf16: 2 } as const

/** Writes a safetensors file: the header first, then tensor after tensor in the announced order. */
export class SafetensorsWriter implements Disposable {
	readonly #fd: number
	readonly #dtype: ExportDtype

	constructor(path: string, dtype: ExportDtype, tensors: readonly OutputShape[]) {
		this.#dtype = dtype
		this.#fd = openSync(path, 'wx')
		writeAll(this.#fd, headerOf(dtype, tensors))
	}

	write(numbers: Float32Array): void {
		writeAll(this.#fd, encodeNumbers(numbers, this.#dtype))
	}

	[Symbol.dispose](): void {
		closeSync(this.#fd)
	}
}

function headerOf(dtype: ExportDtype, tensors: readonly OutputShape[]): Uint8Array {
	const entries: Record<string, unknown> = { __metadata__: { format: 'pt' } }
	let at = 0
	for (const { name, shape } of tensors) {
		const end = at + BYTES[dtype] * shape.reduce((product, size) => product * size, 1)
		entries[name] = { dtype: DTYPE_NAMES[dtype], shape, data_offsets: [at, end] }
		at = end
	}
	const json = Buffer.from(JSON.stringify(entries))
	// The data begins at a multiple of 8; the format lets blanks end the header.
	const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ')
	header.writeBigUInt64LE(BigInt(header.length - 8))
	json.copy(header, 8)
	return header
}

function encodeNumbers(numbers: Float32Array, dtype: ExportDtype): Uint8Array {
	const { buffer, byteOffset, byteLength } = numbers
	return dtype === 'f32' ? new Uint8Array(buffer, byteOffset, byteLength) : toBf16(numbers)
}
