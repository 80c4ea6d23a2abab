/** Work that is done one at a time. Clients that wait take turns; requests of one client keep their order. */
export class Turns {
	/** By client, whose turn comes first before the others. */
	readonly #waiting = new Map<string, (() => void)[]>()
	#isTaken = false

	/** Resolves when the client has its turn, which lasts until that is disposed of. */
	async take(client: string): Promise<Disposable> {
		if (this.#isTaken) await this.#wait(client)
		this.#isTaken = true
		const turn = new DisposableStack()
		turn.defer(() => this.#giveOn())
		return turn
	}

	#wait(client: string): Promise<void> {
		const { promise, resolve } = Promise.withResolvers<void>()
		const own = this.#waiting.get(client)
		if (own === undefined) this.#waiting.set(client, [resolve])
		else own.push(resolve)
		return promise
	}

	#giveOn(): void {
		for (const [client, [start, ...others]] of this.#waiting) {
			// Behind all other clients.
			this.#waiting.delete(client)
			if (others.length > 0) this.#waiting.set(client, others)
			start?.()
			return
		}
		this.#isTaken = false
	}
}
