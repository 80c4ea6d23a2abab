/** Gathers the names of what has changed for a while, so that a burst of changes costs one look. */
export class GatheredNames {
	readonly #milliseconds: number
	readonly #onGathered: (names: readonly string[]) => void
	#names = new Set<string>()
	#timer: Timer | null = null

	/** `onGathered` gets the names that came within `milliseconds` of the first one. */
	constructor(milliseconds: number, onGathered: (names: readonly string[]) => void) {
		this.#milliseconds = milliseconds
		this.#onGathered = onGathered
	}

	add(name: string): void {
		this.#names.add(name)
		this.#timer ??= setTimeout(() => {
			const names = [...this.#names]
			this.#names = new Set()
			this.#timer = null
			this.#onGathered(names)
		}, this.#milliseconds)
		this.#timer.unref()
	}

	/** What has been gathered is dropped. */
	close(): void {
		if (this.#timer !== null) clearTimeout(this.#timer)
		this.#timer = null
		this.#names = new Set()
	}
}
