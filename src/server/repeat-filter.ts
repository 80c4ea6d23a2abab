/** Lines are counted for so long, milliseconds. */
const REPEAT_MS = 60_000

/** Kinds of lines that are remembered, each with who caused it. */
const REMEMBERED_MAX = 1000

interface Seen {
	readonly sinceMs: number
	passed: number
	unlogged: number
}

export interface RepeatFilterOptions {
	/** Lines of all kinds that pass in a minute. Default: no limit. */
	readonly inAllMax?: number
	/** In milliseconds, for tests. */
	readonly now?: () => number
}

/** Lets some of many equal lines through in a minute, and counts the others: a flood must not fill a disk. */
export class RepeatFilter {
	readonly #inAllMax: number
	readonly #now: () => number
	readonly #seen = new Map<string, Seen>()
	#all: Seen = { sinceMs: Number.NEGATIVE_INFINITY, passed: 0, unlogged: 0 }

	constructor({
		inAllMax = Number.POSITIVE_INFINITY,
		now = () => performance.now(),
	}: RepeatFilterOptions = {}) {
		this.#inAllMax = inAllMax
		this.#now = now
	}

	/** How many were held back before this one; null when this one is, too. `most` of a kind get through a minute. */
	take(kind: string, most = 1): number | null {
		const now = this.#now()
		let seen = this.#seen.get(kind)
		let unlogged = 0
		if (seen === undefined || now - seen.sinceMs >= REPEAT_MS) {
			unlogged += seen?.unlogged ?? 0
			seen = { sinceMs: now, passed: 0, unlogged: 0 }
			// What was seen least recently is at the beginning.
			this.#seen.delete(kind)
			this.#seen.set(kind, seen)
			if (this.#seen.size > REMEMBERED_MAX) this.#seen.delete(this.#seen.keys().next().value ?? '')
		}
		if (now - this.#all.sinceMs >= REPEAT_MS) {
			unlogged += this.#all.unlogged
			this.#all = { sinceMs: now, passed: 0, unlogged: 0 }
		}
		const full = seen.passed >= most ? seen : this.#all.passed >= this.#inAllMax ? this.#all : null
		if (full !== null) {
			full.unlogged += 1 + unlogged
			return null
		}
		seen.passed++
		this.#all.passed++
		return unlogged
	}
}
