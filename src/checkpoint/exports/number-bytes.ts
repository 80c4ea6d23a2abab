/** Numbers of f32 in the formats of other tools, little-endian. */

/** The upper halves, rounded to nearest, ties to even. */
export function toBf16(numbers: Float32Array): Uint8Array {
	const words = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length)
	const halves = new Uint16Array(numbers.length)
	for (let i = 0; i < halves.length; i++) {
		const word = words[i]!
		halves[i] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
	}
	return new Uint8Array(halves.buffer)
}

const Q8_NUMBERS = 32
const Q8_BYTES = 34

/** ggml's Q8_0: blocks of 32 signed bytes behind the scale that they share, in half precision. */
export function toQ8(numbers: Float32Array): Uint8Array {
	const bytes = new Uint8Array((numbers.length / Q8_NUMBERS) * Q8_BYTES)
	const view = new DataView(bytes.buffer)
	for (let from = 0, to = 0; from < numbers.length; from += Q8_NUMBERS, to += Q8_BYTES) {
		let largest = 0
		for (let i = 0; i < Q8_NUMBERS; i++) {
			largest = Math.max(largest, Math.abs(numbers[from + i]!))
		}
		// In single precision, as ggml computes it.
		const scale = Math.fround(largest / 127)
		const inverse = scale === 0 ? 0 : Math.fround(1 / scale)
		view.setFloat16(to, scale, true)
		for (let i = 0; i < Q8_NUMBERS; i++) {
			const multiple = Math.fround(numbers[from + i]! * inverse)
			// Halves round away from zero.
			const rounded = Math.sign(multiple) * Math.round(Math.abs(multiple))
			view.setInt8(to + 2 + i, rounded)
		}
	}
	return bytes
}
