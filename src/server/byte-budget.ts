import { Fault } from '../lib/fault.ts'

const RETRY_SECONDS = 5

interface Waiting {
	readonly bytes: number
	readonly start: () => void
}

/** Bounds the memory of what is read whole: who does not fit waits for a place, in the order of arrival. */
export class ByteBudget {
	readonly #bytesMax: number
	readonly #waitingMax: number
	readonly #waiting: Waiting[] = []
	#bytes = 0

	constructor(bytesMax: number, waitingMax: number) {
		this.#bytesMax = bytesMax
		this.#waitingMax = waitingMax
	}

	/** Runs `work` when so many bytes are free. Throws Fault when too many wait already. */
	async spending<T>(bytes: number, work: () => Promise<T>): Promise<T> {
		const wanted = Math.min(bytes, this.#bytesMax)
		await this.#enter(wanted)
		try {
			return await work()
		} finally {
			this.#bytes -= wanted
			this.#admit()
		}
	}

	#enter(bytes: number): Promise<void> {
		const { promise, resolve } = Promise.withResolvers<void>()
		if (this.#waiting.length >= this.#waitingMax) {
			const message = 'Too many reports are being read.'
			throw new Fault('overloaded', message, { retrySeconds: RETRY_SECONDS })
		}
		this.#waiting.push({ bytes, start: resolve })
		this.#admit()
		return promise
	}

	#admit(): void {
		for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
			if (this.#bytes + next.bytes > this.#bytesMax) return
			this.#waiting.shift()
			this.#bytes += next.bytes
			next.start()
		}
	}
}
