/** Longer bodies and answers count; what shorter ones leave behind the engine finds by itself. */
export const SHORT_BYTES_MAX = 64 * 1024

/**
 * Bytes of long bodies and answers that were let go and take memory until they are collected. The engine collects by
 * the machine's memory and the number of its objects: it knows no limit of the process, and a text of
 * megabytes is one object.
 */
export class Garbage {
	readonly #bytesMax: number
	readonly #collect: () => void
	#bytes = 0

	/** `collect` holds the thread for some milliseconds. */
	constructor(bytesMax: number, collect: () => void) {
		this.#bytesMax = bytesMax
		this.#collect = collect
	}

	/** So many bytes of a body or an answer, or of values made of one, are needed no more. */
	add(bytes: number): void {
		if (bytes > SHORT_BYTES_MAX) this.#bytes += bytes
	}

	/** Before something of so many bytes is made: of a body, of values, of an answer. */
	makeRoom(bytes: number): void {
		if (bytes <= SHORT_BYTES_MAX || this.#bytes <= this.#bytesMax) return
		this.#bytes = 0
		this.#collect()
	}
}

/** Gives memory back at once that would wait for the collector, where these bytes are all of a buffer. */
export function letGo({ buffer, byteLength }: Uint8Array): void {
	if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
