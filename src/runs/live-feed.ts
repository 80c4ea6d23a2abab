/** Something new about a run, for those who watch. */
export interface News {
	/** Directory name of the run. */
	readonly run: string
	readonly type:
		| 'run_start'
		| 'metrics'
		| 'heartbeat'
		| 'samples'
		| 'event'
		| 'events'
		| 'checkpoint'
		| 'run_complete'
		| 'run_removed'
	/** JSON of the event's data, without `runId` and `run`: fields of an object, `"a":1,"b":2`. */
	readonly fields: string
	readonly runId: string
}

/** A watcher that is further behind starts again with a picture of everything, characters. */
const BACKLOG_MAX = 2 ** 22

/** What a watcher gets: news, or the sign that it has missed some and needs a new picture. */
export type Watched = readonly News[] | 'missed'

/** Hands news to watchers, each at its own pace and in bounded memory. */
export class LiveFeed {
	readonly #watchers = new Set<Watcher>()

	get watcherCount(): number {
		return this.#watchers.size
	}

	/** `toNews` is not called where nobody watches. */
	publish(toNews: () => News): void {
		if (this.#watchers.size === 0) return
		const news = toNews()
		for (const watcher of this.#watchers) watcher.offer(news)
	}

	/** News of one run, or of all. Ends by `return()`, or when the feed is closed. */
	watch(run: string | null): Watcher {
		const watcher = new Watcher(run, () => this.#watchers.delete(watcher))
		this.#watchers.add(watcher)
		return watcher
	}

	close(): void {
		for (const watcher of this.#watchers) void watcher.return()
	}
}

export class Watcher implements AsyncIterator<Watched> {
	readonly #run: string | null
	readonly #onEnd: () => void
	#backlog: News[] = []
	#backlogLength = 0
	#hasMissed = false
	#isEnded = false
	#wake: (() => void) | null = null

	constructor(run: string | null, onEnd: () => void) {
		this.#run = run
		this.#onEnd = onEnd
	}

	offer(news: News): void {
		if (this.#run !== null && news.run !== this.#run) return
		this.#backlog.push(news)
		this.#backlogLength += news.fields.length
		if (this.#backlogLength > BACKLOG_MAX) {
			this.#backlog = []
			this.#backlogLength = 0
			this.#hasMissed = true
		}
		this.#wake?.()
	}

	async next(): Promise<IteratorResult<Watched, undefined>> {
		while (!this.#isEnded && !this.#hasMissed && this.#backlog.length === 0) {
			const { promise, resolve } = Promise.withResolvers<void>()
			this.#wake = resolve
			await promise
		}
		this.#wake = null
		if (this.#isEnded) return { done: true, value: undefined }
		if (this.#hasMissed) {
			this.#hasMissed = false
			return { done: false, value: 'missed' }
		}
		const value = this.#backlog
		this.#backlog = []
		this.#backlogLength = 0
		return { done: false, value }
	}

	async return(): Promise<IteratorResult<Watched, undefined>> {
		this.#isEnded = true
		this.#onEnd()
		this.#wake?.()
		return { done: true, value: undefined }
	}
}
