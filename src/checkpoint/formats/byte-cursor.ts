import type { ByteSource } from './byte-source.ts'
import { CheckpointError } from './checkpoint-error.ts'

const WINDOW_BYTES = 2 ** 16

/**
 * Reads little-endian numbers and texts of a source from the front to the back. All methods throw
 * CheckpointError where the source ends.
 */
export class ByteCursor {
	readonly #source: ByteSource
	readonly #window = new Uint8Array(WINDOW_BYTES)
	readonly #view = new DataView(this.#window.buffer)
	/** Where the window begins in the source, and how much of it is filled. */
	#windowStart = 0
	#windowLength = 0
	#position: number

	constructor(source: ByteSource, position = 0) {
		this.#source = source
		this.#position = position
	}

	get position(): number {
		return this.#position
	}

	/** Bytes up to the end of the source. */
	get remaining(): number {
		return this.#source.size - this.#position
	}

	u8(): number {
		return this.#view.getUint8(this.#take(1))
	}

	i8(): number {
		return this.#view.getInt8(this.#take(1))
	}

	u16(): number {
		return this.#view.getUint16(this.#take(2), true)
	}

	i16(): number {
		return this.#view.getInt16(this.#take(2), true)
	}

	u32(): number {
		return this.#view.getUint32(this.#take(4), true)
	}

	i32(): number {
		return this.#view.getInt32(this.#take(4), true)
	}

	/** NaN beyond the integers that a number holds exactly. */
	u64(): number {
		return exact(this.#view.getBigUint64(this.#take(8), true))
	}

	/** NaN beyond the integers that a number holds exactly. */
	i64(): number {
		return exact(this.#view.getBigInt64(this.#take(8), true))
	}

	f32(): number {
		return this.#view.getFloat32(this.#take(4), true)
	}

	f64(): number {
		return this.#view.getFloat64(this.#take(8), true)
	}

	/** The next bytes. The caller bounds `count`, for which memory is taken when they are there. */
	bytes(count: number): Uint8Array {
		if (!(count <= this.remaining)) {
			throw new CheckpointError(
				`expected ${count} bytes at ${this.#position}, got the end of the file at ${this.#source.size}`,
			)
		}
		const bytes = new Uint8Array(count)
		if (count <= WINDOW_BYTES) {
			const at = this.#take(count)
			bytes.set(this.#window.subarray(at, at + count))
		} else {
			this.#source.read(bytes, this.#position)
			this.#position += count
		}
		return bytes
	}

	/** Moves on so many bytes, of which the first are in the window; returns their place there. */
	#take(count: number): number {
		const at = this.#position - this.#windowStart
		if (at < 0 || at + count > this.#windowLength) return this.#refill(count)
		this.#position += count
		return at
	}

	#refill(count: number): number {
		const length = Math.min(WINDOW_BYTES, this.remaining)
		if (length < count) {
			throw new CheckpointError(
				`expected ${count} bytes at ${this.#position}, got the end of the file at ${this.#source.size}`,
			)
		}
		this.#source.read(this.#window.subarray(0, length), this.#position)
		this.#windowStart = this.#position
		this.#windowLength = length
		this.#position += count
		return 0
	}
}

function exact(value: bigint): number {
	const number = Number(value)
	return Number.isSafeInteger(number) ? number : Number.NaN
}
