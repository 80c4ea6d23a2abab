/** Readers that are woken in one turn of the event loop: what they write out takes less than a tenth of a millisecond. */
const READERS_PER_TURN = 4

/** Whoever can be told that there is something to read. */
export interface Reader {
	wakeReader(): void
}

/**
 * Wakes the readers of a report some at a time, and lets sockets have their turns between: with a hundred streams
 * a new request would else wait until all of them have been written out, at its arrival and at its first token.
 */
export class ReaderTurns {
	/** Those who wait for their first token, and those who go on, each in turn. */
	readonly #beginning = new Set<Reader>()
	readonly #goingOn = new Set<Reader>()
	#isWaking = false

	/** There is something for this one. */
	add(reader: Reader, isBeginning: boolean): void {
		if (isBeginning) {
			this.#goingOn.delete(reader)
			this.#beginning.add(reader)
		} else if (!this.#beginning.has(reader)) this.#goingOn.add(reader)
	}

	/** Wakes those who were added; calls back when sockets have had a turn after the last of them. */
	wake(whenAllWoken: () => void): void {
		// Stands behind them: what is added later does not delay it.
		this.#goingOn.add({ wakeReader: () => setImmediate(whenAllWoken) })
		if (!this.#isWaking) this.#takeTurn()
	}

	#takeTurn(): void {
		// Those who begin have turns of their own: what others write in the same turn would be written between.
		const readers = this.#beginning.size > 0 ? this.#beginning : this.#goingOn
		let count = 0
		for (const reader of readers) {
			if (count++ === READERS_PER_TURN) break
			readers.delete(reader)
			reader.wakeReader()
		}
		this.#isWaking = this.#beginning.size + this.#goingOn.size > 0
		if (this.#isWaking) setImmediate(() => this.#takeTurn())
	}
}
