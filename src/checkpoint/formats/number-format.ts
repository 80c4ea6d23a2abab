/** Number formats in which other trainers store their tensors; all of them are read as f32, exactly. */
import { type Kernels, pointerOf } from '../../kernels/binding.ts'
import type { ByteSource } from './byte-source.ts'
import type { NumberFormat, TensorReader } from './types.ts'

/** Size of one number in bytes. */
export const NUMBER_BYTES: Readonly<Record<NumberFormat, number>> = { f32: 4, f16: 2, bf16: 2 }

/** Numbers that are read and widened at a time. */
const WIDENED_MAX = 2 ** 16

/** Told of the bytes as they are read, in order and without gaps. */
export type ByteListener = (bytes: Uint8Array) => void

/** Their numbers among ggml's types. */
const GGML_NUMBERS = { f16: 1, bf16: 30 } as const

/**
 * Reads numbers from `position` of a file on. The caller has checked that they are there; `onBytes` sees
 * what was read, for checksums.
 */
export function numberReader(
	kernels: Kernels,
	source: ByteSource,
	format: NumberFormat,
	position: number,
	onBytes: ByteListener = () => {},
): TensorReader {
	let at = position
	const next = (into: Uint8Array) => {
		source.read(into, at)
		at += into.byteLength
		onBytes(into)
	}
	let stored = new Uint8Array(0)
	return {
		read(out) {
			if (format === 'f32') {
				// The platforms that we run on are little-endian, like the files.
				next(new Uint8Array(out.buffer, out.byteOffset, out.byteLength))
				return
			}
			const portion = Math.min(out.length, WIDENED_MAX)
			if (stored.length < 2 * portion) stored = new Uint8Array(2 * portion)
			for (let done = 0; done < out.length; done += portion) {
				const numbers = out.subarray(done, Math.min(done + portion, out.length))
				const piece = stored.subarray(0, 2 * numbers.length)
				next(piece)
				const [into, from] = [pointerOf(numbers), pointerOf(piece)]
				kernels.readGgml(GGML_NUMBERS[format], into, from, numbers.length)
			}
		},
		// Sizes were compared with shapes when the file was opened.
		expectEnd() {},
	}
}
