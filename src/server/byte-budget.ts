import { Fault } from '../lib/fault.ts'

const RETRY_SECONDS = 5

interface Waiting {
	readonly bytes: number
	readonly start: () => void
}

export interface ByteBudgetOptions {
	/** All together; what is larger counts as this. */
	readonly bytesMax: number
	/** So many wait at most. */
	readonly waitingMax: number
	/** And so long, in milliseconds. Default: until there is room. */
	readonly waitMsMax?: number
	/** Why one is refused, as a sentence. */
	readonly refusal: string
}

/** Bounds the memory of what is there whole: who does not fit waits for room, in the order of arrival. */
export class ByteBudget {
	readonly #options: ByteBudgetOptions
	readonly #waiting = new Set<Waiting>()
	#bytes = 0

	constructor(options: ByteBudgetOptions) {
		this.#options = options
	}

	/** Resolves when so many bytes are free, which disposing gives back. Throws Fault `overloaded`. */
	async take(bytes: number): Promise<Disposable> {
		const wanted = Math.min(bytes, this.#options.bytesMax)
		await this.#enter(wanted)
		const taken = new DisposableStack()
		taken.defer(() => {
			this.#bytes -= wanted
			this.#admit()
		})
		return taken
	}

	#enter(bytes: number): Promise<void> {
		const { waitingMax, waitMsMax, refusal } = this.#options
		const { promise, resolve, reject } = Promise.withResolvers<void>()
		const refused = () => new Fault('overloaded', refusal, { retrySeconds: RETRY_SECONDS })
		if (this.#waiting.size >= waitingMax) throw refused()
		const waiting: Waiting = { bytes, start: resolve }
		this.#waiting.add(waiting)
		this.#admit()
		if (waitMsMax === undefined || !this.#waiting.has(waiting)) return promise
		const timer = setTimeout(() => {
			this.#waiting.delete(waiting)
			reject(refused())
			// Who wants less may fit.
			this.#admit()
		}, waitMsMax)
		return promise.finally(() => clearTimeout(timer))
	}

	#admit(): void {
		for (const next of this.#waiting) {
			if (this.#bytes + next.bytes > this.#options.bytesMax) return
			this.#waiting.delete(next)
			this.#bytes += next.bytes
			next.start()
		}
	}
}
