/*
 * Number formats of ggml: what a block of each has. How blocks become numbers stands in
 * kernels/ggml_blocks.c.
 */
import { type Kernels, pointerOf } from '../../kernels/binding.ts'
import { assert } from '../../lib/assert.ts'
import type { ByteSource } from './byte-source.ts'
import { numberReader } from './number-format.ts'
import type { NumberFormat, TensorReader } from './types.ts'

export interface GgmlType {
	/** The format's own number. */
	readonly number: number
	readonly name: string
	/** Numbers of a block, and its bytes. */
	readonly numbers: number
	readonly bytes: number
	readonly format: NumberFormat | 'quantized'
}

/** Bytes of blocks that are read at a time. */
const READ_BYTES = 2 ** 18

/** Reads numbers of a type from `position` on: whole blocks at a time. */
export function ggmlReader(
	kernels: Kernels,
	source: ByteSource,
	{ number, numbers, bytes, format }: GgmlType,
	position: number,
): TensorReader {
	if (format !== 'quantized') return numberReader(kernels, source, format, position)
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
				const into = out.subarray(done * numbers, (done + count) * numbers)
				const status = kernels.readGgml(number, pointerOf(into), pointerOf(piece), count)
				assert(status === 0, 'the kernels read every type of the table')
			}
		},
		// Sizes were compared with shapes when the file was opened.
		expectEnd() {},
	}
}

const PLAIN = { F32: 'f32', F16: 'f16', BF16: 'bf16' } as const

/** By the format's own numbers. */
export const GGML_TYPES: ReadonlyMap<number, GgmlType> = new Map(
	(
		[
			[0, 'F32', 1, 4],
			[1, 'F16', 1, 2],
			[2, 'Q4_0', 32, 18],
			[3, 'Q4_1', 32, 20],
			[6, 'Q5_0', 32, 22],
			[7, 'Q5_1', 32, 24],
			[8, 'Q8_0', 32, 34],
			[12, 'Q4_K', 256, 144],
			[13, 'Q5_K', 256, 176],
			[14, 'Q6_K', 256, 210],
			[30, 'BF16', 1, 2],
		] as const
	).map(([number, name, numbers, bytes]) => {
		const format = name in PLAIN ? PLAIN[name as keyof typeof PLAIN] : 'quantized'
		return [number, { number, name, numbers, bytes, format }]
	}),
)

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
