/** Number formats in which other trainers store their tensors; all of them are read as f32, exactly. */
import type { ByteSource } from './byte-source.ts'
import type { NumberFormat, TensorReader } from './types.ts'

/** Size of one number in bytes. */
export const NUMBER_BYTES: Readonly<Record<NumberFormat, number>> = { f32: 4, f16: 2, bf16: 2 }

/** Numbers that are read and widened at a time. */
const WIDENED_MAX = 2 ** 16

/** Told of the bytes as they are read, in order and without gaps. */
export type ByteListener = (bytes: Uint8Array) => void

/**
 * Reads numbers from `position` of a file on. The caller has checked that they are there; `onBytes` sees
 * what was read, for checksums.
 */
export function numberReader(
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
	return {
		read(out) {
			if (format === 'f32') {
				// The platforms that we run on are little-endian, like the files.
				next(new Uint8Array(out.buffer, out.byteOffset, out.byteLength))
				return
			}
			const stored = new Uint16Array(Math.min(out.length, WIDENED_MAX))
			for (let done = 0; done < out.length; ) {
				const halves = stored.subarray(0, Math.min(stored.length, out.length - done))
				next(new Uint8Array(halves.buffer, 0, halves.byteLength))
				const numbers = out.subarray(done, done + halves.length)
				if (format === 'bf16') widenBrainFloats(halves, numbers)
				else widenHalfFloats(halves, numbers)
				done += halves.length
			}
		},
		// Sizes were compared with shapes when the file was opened.
		expectEnd() {},
	}
}

/** A bf16 number is the upper half of an f32. */
function widenBrainFloats(stored: Uint16Array, out: Float32Array): void {
	const bits = new Uint32Array(out.buffer, out.byteOffset, out.length)
	for (let i = 0; i < stored.length; i++) bits[i] = stored[i]! << 16
}

function widenHalfFloats(stored: Uint16Array, out: Float32Array): void {
	const table = halfFloatBits()
	const bits = new Uint32Array(out.buffer, out.byteOffset, out.length)
	for (let i = 0; i < stored.length; i++) bits[i] = table[stored[i]!]!
}

/** The f32 bits of each half-precision number, made when the first file needs them (256 KiB). */
let halfFloats: Uint32Array | undefined

function halfFloatBits(): Uint32Array {
	halfFloats ??= halfFloatTable()
	return halfFloats
}

/** The value of each half-precision number, by its bits. */
export function halfFloatValues(): Float32Array {
	return new Float32Array(halfFloatBits().buffer)
}

/** IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits; subnormal numbers become normal ones. */
function halfFloatTable(): Uint32Array {
	const table = new Uint32Array(2 ** 16)
	const value = new Float32Array(1)
	const valueBits = new Uint32Array(value.buffer)
	for (let half = 0; half < table.length; half++) {
		const sign = (half >>> 15) << 31
		const exponent = (half >>> 10) & 0x1f
		const fraction = half & 0x3ff
		if (exponent === 0x1f) {
			table[half] = sign | 0x7f80_0000 | (fraction << 13)
		} else if (exponent > 0) {
			table[half] = sign | ((exponent + 112) << 23) | (fraction << 13)
		} else {
			value[0] = fraction * 2 ** -24
			table[half] = sign | valueBits[0]!
		}
	}
	return table
}
