/** A client that does the same again and again gets so many lines in this time, milliseconds. */
const REPEAT_MS = 60_000

/** Things that are remembered, each with who did it. */
const REMEMBERED_MAX = 1000

interface Seen {
	readonly sinceMs: number
	passed: number
	unlogged: number
}

/** Lets some of many equal lines through in a while, and counts the others: a flood must not fill a disk. */
export class RepeatFilter {
	readonly #now: () => number
	readonly #seen = new Map<string, Seen>()

	/** `now` in milliseconds, for tests. */
	constructor(now: () => number = () => performance.now()) {
		this.#now = now
	}

	/** How many equal ones were held back before this one; null when this one is, too. `most` get through a minute. */
	take(line: string, most = 1): number | null {
		const seen = this.#seen.get(line)
		const now = this.#now()
		if (seen !== undefined && now - seen.sinceMs < REPEAT_MS) {
			if (seen.passed >= most) {
				seen.unlogged++
				return null
			}
			seen.passed++
			return 0
		}
		// What was seen least recently is at the beginning.
		this.#seen.delete(line)
		this.#seen.set(line, { sinceMs: now, passed: 1, unlogged: 0 })
		if (this.#seen.size > REMEMBERED_MAX) this.#seen.delete(this.#seen.keys().next().value ?? '')
		return seen?.unlogged ?? 0
	}
}
