/**
 * Runs tasks one after another, in the order in which they came. A task's failure is its own: it
 * rejects the promise of that task, and the next one starts.
 */
export class SerialQueue {
	/** Never rejects. */
	#last: Promise<unknown> = Promise.resolve()
	/** Tasks that have not ended. */
	#count = 0

	/** Nothing runs or waits. */
	get isIdle(): boolean {
		return this.#count === 0
	}

	/** Starts `task` when all earlier ones have ended, and settles as it does. */
	run<Result>(task: () => Result | Promise<Result>): Promise<Result> {
		this.#count++
		const result = this.#last.then(task).finally(() => this.#count--)
		this.#last = result.catch(() => {})
		return result
	}

	/** Resolves when every task that has been given so far has ended. */
	async idle(): Promise<void> {
		await this.#last
	}
}
