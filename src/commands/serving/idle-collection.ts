export interface IdleCollectionOptions {
	/** Processor time of the process so far, milliseconds. */
	readonly processorMs: () => number
	/** Gives memory back; it may take some ten milliseconds. */
	readonly collect: () => void
	/** Time between two looks, milliseconds. */
	readonly intervalMs: number
}

/** A process that works less than this share of the time is idle. */
const IDLE_SHARE = 0.05

/**
 * Has garbage collected once work has ended. Left alone, the engine collects when it is asked for more memory,
 * and a server at rest would keep what its last burst took.
 */
export class IdleCollection implements Disposable {
	readonly #options: IdleCollectionOptions
	readonly #timer: Timer
	#lastMs: number
	/** There was work since the last collection. */
	#hasWorked = false

	constructor(options: IdleCollectionOptions) {
		this.#options = options
		this.#lastMs = options.processorMs()
		this.#timer = setInterval(() => this.look(), options.intervalMs)
		this.#timer.unref()
	}

	/** Called by itself every `intervalMs`. */
	look(): void {
		const { processorMs, collect, intervalMs } = this.#options
		const now = processorMs()
		const isIdle = now - this.#lastMs < IDLE_SHARE * intervalMs
		this.#lastMs = now
		if (isIdle && this.#hasWorked) {
			collect()
			// The collection itself is no work.
			this.#lastMs = processorMs()
		}
		this.#hasWorked = !isIdle
	}

	[Symbol.dispose](): void {
		clearInterval(this.#timer)
	}
}

/** Of this process. */
export function collectWhenIdle(intervalMs: number): IdleCollection {
	return new IdleCollection({
		processorMs: () => {
			const { user, system } = process.cpuUsage()
			return (user + system) / 1000
		},
		collect: () => Bun.gc(true),
		intervalMs,
	})
}
