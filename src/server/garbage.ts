import { nextTurn } from '../lib/steps.ts'

/** Longer bodies and answers count; what shorter ones leave behind the engine finds by itself. */
export const SHORT_BYTES_MAX = 64 * 1024

/** Collects garbage at once; both return the bytes in use afterwards. */
export interface Collector {
	/** Of what was made since the last collection, in about a millisecond. */
	recent(): number
	/** Of all objects, at which it looks one by one: some ten milliseconds. */
	all(): number
}

/**
 * Bytes of long bodies and answers that were let go and take memory until they are collected. The engine collects by
 * the machine's memory and the number of its objects: it knows no limit of the process, and a text of
 * megabytes is one object. Most of it is recent; what lived through a collection and is garbage now waits until as much
 * again has gathered.
 */
export class Garbage {
	readonly #bytesMax: number
	readonly #collector: Collector
	#bytes = 0
	#bytesInUse = 0
	/** Resolves when all has been collected, while that is under way. */
	#collecting: Promise<void> | null = null

	/** `collector` holds the thread. */
	constructor(bytesMax: number, collector: Collector) {
		this.#bytesMax = bytesMax
		this.#collector = collector
	}

	/** So many bytes of a body or an answer, or of values made of one, are needed no more. */
	add(bytes: number): void {
		if (bytes > SHORT_BYTES_MAX) this.#bytes += bytes
	}

	/** Before something of so many bytes is made: of a body, of values, of an answer. A long collection has its own turn. */
	async makeRoom(bytes: number): Promise<void> {
		if (bytes <= SHORT_BYTES_MAX) return
		if (this.#bytes > this.#bytesMax) this.#collectRecent()
		// Who comes meanwhile waits as well, so that nobody overtakes.
		await this.#collecting
	}

	#collectRecent(): void {
		this.#bytes = 0
		const bytesInUse = this.#collector.recent()
		// The engine collects all by itself as well.
		this.#bytesInUse = Math.min(this.#bytesInUse, bytesInUse)
		if (bytesInUse - this.#bytesInUse > this.#bytesMax) this.#collecting ??= this.#collectAll()
	}

	async #collectAll(): Promise<void> {
		// The next turn may follow work that an event of a socket began, before other sockets are looked at.
		await nextTurn()
		await nextTurn()
		this.#bytesInUse = this.#collector.all()
		await nextTurn()
		this.#collecting = null
	}
}

/** Gives memory back at once that would wait for the collector, where these bytes are all of a buffer. */
export function letGo({ buffer, byteLength }: Uint8Array): void {
	if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
