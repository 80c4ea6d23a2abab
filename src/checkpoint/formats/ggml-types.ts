/*
 * Number formats of ggml. Quantized ones come in blocks: some numbers of a few bits with a scale in half
 * precision, `Q4_1` also with an offset; the K formats have scales of scales over 256 numbers. Each is
 * turned into f32 as its definition says, every product and sum rounded.
 * https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c
 */
import type { ByteSource } from './byte-source.ts'
import { halfFloatValues, numberReader } from './number-format.ts'
import type { NumberFormat, TensorReader } from './types.ts'

export interface GgmlType {
	readonly name: string
	/** Numbers of a block, and its bytes. */
	readonly numbers: number
	readonly bytes: number
	/** A plain format, or how the blocks of some bytes become numbers. */
	readonly read: NumberFormat | Dequantize
}

/** Fills `out` from `blocks`, which holds as many numbers. */
type Dequantize = (blocks: Uint8Array, out: Float32Array) => void

/** Bytes of blocks that are read at a time. */
const READ_BYTES = 2 ** 18

/** Reads numbers of a type from `position` on: whole blocks at a time. */
export function ggmlReader(source: ByteSource, type: GgmlType, position: number): TensorReader {
	const { read: dequantize, numbers, bytes } = type
	if (typeof dequantize === 'string') return numberReader(source, dequantize, position)
	const blocksMax = Math.max(1, Math.floor(READ_BYTES / bytes))
	let at = position
	let buffer = new Uint8Array(0)
	return {
		read(out) {
			const blocks = out.length / numbers
			for (let done = 0; done < blocks; done += blocksMax) {
				const count = Math.min(blocksMax, blocks - done)
				if (buffer.length < count * bytes) buffer = new Uint8Array(count * bytes)
				const piece = buffer.subarray(0, count * bytes)
				source.read(piece, at)
				at += piece.length
				dequantize(piece, out.subarray(done * numbers, (done + count) * numbers))
			}
		},
		// Sizes were compared with shapes when the file was opened.
		expectEnd() {},
	}
}

const f32 = Math.fround

/** The half-precision number at a place. */
function half(table: Float32Array, blocks: Uint8Array, at: number): number {
	return table[blocks[at]! | (blocks[at + 1]! << 8)]!
}

/** d, then 32 signed bytes. */
function q8(blocks: Uint8Array, out: Float32Array): void {
	const halves = halfFloatValues()
	const signed = new Int8Array(blocks.buffer, blocks.byteOffset, blocks.length)
	for (let at = 0, to = 0; at < blocks.length; at += 34, to += 32) {
		const d = half(halves, blocks, at)
		for (let i = 0; i < 32; i++) out[to + i] = d * signed[at + 2 + i]!
	}
}

/** d, then 16 bytes: the lower halves are numbers 0 … 15, the upper ones 16 … 31. */
function q40(blocks: Uint8Array, out: Float32Array): void {
	const halves = halfFloatValues()
	for (let at = 0, to = 0; at < blocks.length; at += 18, to += 32) {
		const d = half(halves, blocks, at)
		for (let i = 0; i < 16; i++) {
			const byte = blocks[at + 2 + i]!
			out[to + i] = d * ((byte & 15) - 8)
			out[to + 16 + i] = d * ((byte >> 4) - 8)
		}
	}
}

/** d, m, then as above. */
function q41(blocks: Uint8Array, out: Float32Array): void {
	const halves = halfFloatValues()
	for (let at = 0, to = 0; at < blocks.length; at += 20, to += 32) {
		const d = half(halves, blocks, at)
		const m = half(halves, blocks, at + 2)
		for (let i = 0; i < 16; i++) {
			const byte = blocks[at + 4 + i]!
			out[to + i] = f32(d * (byte & 15)) + m
			out[to + 16 + i] = f32(d * (byte >> 4)) + m
		}
	}
}

/** d, m where there is an offset, the fifth bits of all numbers, then their lower four. */
function q5(hasOffset: boolean): Dequantize {
	const bytes = hasOffset ? 24 : 22
	return (blocks, out) => {
		const halves = halfFloatValues()
		for (let at = 0, to = 0; at < blocks.length; at += bytes, to += 32) {
			const d = half(halves, blocks, at)
			const m = hasOffset ? half(halves, blocks, at + 2) : 0
			const middle = hasOffset ? 0 : 16
			const fifth = at + bytes - 20
			for (let i = 0; i < 16; i++) {
				const byte = blocks[at + bytes - 16 + i]!
				const low = ((blocks[fifth + (i >> 3)]! >> (i & 7)) & 1) << 4
				const high = ((blocks[fifth + 2 + (i >> 3)]! >> (i & 7)) & 1) << 4
				const first = f32(d * (((byte & 15) | low) - middle))
				const second = f32(d * (((byte >> 4) | high) - middle))
				out[to + i] = hasOffset ? first + m : first
				out[to + 16 + i] = hasOffset ? second + m : second
			}
		}
	}
}

/** Scale or minimum `index` of 8, six bits each, out of the 12 bytes at a place. */
function sixBits(blocks: Uint8Array, at: number, index: number, isMinimum: boolean): number {
	const shift = isMinimum ? 4 : 0
	if (index < 4) return blocks[at + index + shift]! & 63
	const low = isMinimum ? blocks[at + index + 4]! >> 4 : blocks[at + index + 4]! & 15
	return low | ((blocks[at + index - 4 + shift]! >> 6) << 4)
}

/** d, scale of the minimums, 12 bytes of scales and minimums, fifth bits where there are, lower four bits. */
function q45k(hasFifthBits: boolean): Dequantize {
	const bytes = hasFifthBits ? 176 : 144
	return (blocks, out) => {
		const halves = halfFloatValues()
		for (let at = 0, to = 0; at < blocks.length; at += bytes, to += 256) {
			const d = half(halves, blocks, at)
			const dMinimum = half(halves, blocks, at + 2)
			for (let group = 0; group < 8; group++) {
				const scale = f32(d * sixBits(blocks, at + 4, group, false))
				const minimum = f32(dMinimum * sixBits(blocks, at + 4, group, true))
				const from = at + bytes - 128 + (group >> 1) * 32
				const shift = (group & 1) * 4
				for (let i = 0; i < 32; i++) {
					let value = (blocks[from + i]! >> shift) & 15
					if (hasFifthBits) value |= ((blocks[at + 16 + i]! >> group) & 1) << 4
					out[to + group * 32 + i] = f32(scale * value) - minimum
				}
			}
		}
	}
}

/** Lower four bits, upper two bits, 16 signed scales, d. */
function q6k(blocks: Uint8Array, out: Float32Array): void {
	const halves = halfFloatValues()
	const signed = new Int8Array(blocks.buffer, blocks.byteOffset, blocks.length)
	for (let at = 0, to = 0; at < blocks.length; at += 210, to += 256) {
		const d = half(halves, blocks, at + 208)
		for (let group = 0; group < 8; group++) {
			// Two halves of 128 numbers, each in four groups of 32.
			const [part, place] = [group >> 2, group & 3]
			const low = at + part * 64 + (place & 1) * 32
			const high = at + 128 + part * 32
			for (let i = 0; i < 32; i++) {
				const lower = (blocks[low + i]! >> ((place >> 1) * 4)) & 15
				const upper = (blocks[high + i]! >> (place * 2)) & 3
				const scale = f32(d * signed[at + 192 + group * 2 + (i >> 4)]!)
				out[to + group * 32 + i] = scale * ((lower | (upper << 4)) - 32)
			}
		}
	}
}

/** By the format's own numbers. */
export const GGML_TYPES: ReadonlyMap<number, GgmlType> = new Map<number, GgmlType>([
	[0, { name: 'F32', numbers: 1, bytes: 4, read: 'f32' }],
	[1, { name: 'F16', numbers: 1, bytes: 2, read: 'f16' }],
	[2, { name: 'Q4_0', numbers: 32, bytes: 18, read: q40 }],
	[3, { name: 'Q4_1', numbers: 32, bytes: 20, read: q41 }],
	[6, { name: 'Q5_0', numbers: 32, bytes: 22, read: q5(false) }],
	[7, { name: 'Q5_1', numbers: 32, bytes: 24, read: q5(true) }],
	[8, { name: 'Q8_0', numbers: 32, bytes: 34, read: q8 }],
	[12, { name: 'Q4_K', numbers: 256, bytes: 144, read: q45k(false) }],
	[13, { name: 'Q5_K', numbers: 256, bytes: 176, read: q45k(true) }],
	[14, { name: 'Q6_K', numbers: 256, bytes: 210, read: q6k }],
	[30, { name: 'BF16', numbers: 1, bytes: 2, read: 'bf16' }],
])

/** Names of types that are not read, for messages. */
export const OTHER_GGML_TYPES: ReadonlyMap<number, string> = new Map([
	[9, 'Q8_1'],
	[10, 'Q2_K'],
	[11, 'Q3_K'],
	[15, 'Q8_K'],
	[16, 'IQ2_XXS'],
	[17, 'IQ2_XS'],
	[18, 'IQ3_XXS'],
	[19, 'IQ1_S'],
	[20, 'IQ4_NL'],
	[21, 'IQ3_S'],
	[22, 'IQ2_S'],
	[23, 'IQ4_XS'],
	[24, 'I8'],
	[25, 'I16'],
	[26, 'I32'],
	[27, 'I64'],
	[28, 'F64'],
	[29, 'IQ1_M'],
	[34, 'TQ1_0'],
	[35, 'TQ2_0'],
	[39, 'MXFP4'],
])
