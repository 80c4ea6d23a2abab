/** One who asks again and again whether the server is ready. */
interface Watcher {
	lastAt: number
	/** Its last two; a person who looks twice is no balancer. Milliseconds. */
	intervals: readonly number[]
}

/** Looks that it takes a balancer to believe in a change: as HAProxy and Kubernetes have it by default. */
const LOOKS = 3
/** Who looks less often is a monitor. */
const INTERVAL_MS_MAX = 10_000
/** The longest that a server that stops goes on to take requests. */
export const NOTICE_MS_MAX = 6000
const WATCHERS_MAX = 64

/**
 * Who watches whether the server is ready, and how often. Balancers send requests until they have seen that
 * it is not: that is how long a server that stops goes on to accept them. One that nobody watches need not wait.
 */
export class ReadinessWatchers {
	readonly #watchers = new Map<string, Watcher>()

	/** Someone has looked; times in milliseconds. */
	seen(name: string, now: number): void {
		const watcher = this.#watchers.get(name)
		if (watcher === undefined) {
			if (this.#watchers.size >= WATCHERS_MAX) this.#forget(now)
			this.#watchers.set(name, { lastAt: now, intervals: [] })
			return
		}
		watcher.intervals = [...watcher.intervals.slice(-1), now - watcher.lastAt]
		watcher.lastAt = now
	}

	/** How long until all who watch have noticed a change, in milliseconds. */
	noticeMs(now: number): number {
		let longest = 0
		for (const { lastAt, intervals } of this.#watchers.values()) {
			if (intervals.length < 2) continue
			const interval = Math.max(...intervals)
			const isWatching = now - lastAt <= 2 * interval
			if (interval <= INTERVAL_MS_MAX && isWatching) longest = Math.max(longest, interval)
		}
		return Math.min(NOTICE_MS_MAX, LOOKS * longest)
	}

	#forget(now: number): void {
		for (const [name, { lastAt }] of this.#watchers) {
			if (now - lastAt > 2 * INTERVAL_MS_MAX) this.#watchers.delete(name)
		}
		if (this.#watchers.size >= WATCHERS_MAX) this.#watchers.clear()
	}
}
