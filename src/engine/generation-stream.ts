import type { Generation, TokenEvent } from './generation.ts'
import type { TokenState } from './token-state.ts'

/** What a stream may ask of the engine that feeds it. */
export interface GenerationControl {
	stopChoice(choice: number): void
	moveTo(choice: number, state: TokenState): void
	/** Tells the worker to drop the request. */
	abort(): void
	/** The request is over, however it ended; called once. */
	ended(): void
}

/**
 * The main thread's end of a generation: events pushed by the engine, pulled by one reader. What waits
 * is bounded by n * maxTokens events, so a reader that never reads costs bounded memory.
 */
export class GenerationStream implements Generation {
	readonly #control: GenerationControl
	#events: TokenEvent[] = []
	readonly #openChoices: Set<number>
	#hasEnded = false
	#failure: unknown = null
	#wake: (() => void) | null = null

	constructor(choices: number, control: GenerationControl) {
		this.#openChoices = new Set(Array.from({ length: choices }, (_, choice) => choice))
		this.#control = control
	}

	/** Called by the engine. Events of choices that were stopped are dropped. */
	push(event: TokenEvent): void {
		if (this.#hasEnded) return
		if (event.type !== 'prompt' && !this.#openChoices.has(event.choice)) return
		this.#events.push(event)
		if (event.type === 'finish') this.#close(event.choice)
		this.#wakeReader()
	}

	/** Called by the engine when it cannot go on; the reader gets the error after what is ready. */
	fail(error: unknown): void {
		if (this.#hasEnded) return
		this.#failure = error
		this.#end()
	}

	takeReady(): TokenEvent[] {
		const ready = this.#events
		this.#events = []
		return ready
	}

	stopChoice(choice: number): void {
		// Even if the choice has ended by itself, what waits of it is not wanted any more.
		this.#events = this.#events.filter((e) => e.type === 'prompt' || e.choice !== choice)
		if (!this.#openChoices.has(choice)) return
		this.#control.stopChoice(choice)
		this.#close(choice)
	}

	moveTo(choice: number, state: TokenState): void {
		if (this.#openChoices.has(choice)) this.#control.moveTo(choice, state)
	}

	abort(): void {
		if (this.#hasEnded) return
		this.#control.abort()
		this.#events = []
		this.#end()
	}

	async *[Symbol.asyncIterator](): AsyncGenerator<TokenEvent> {
		try {
			while (true) {
				const event = this.#events.shift()
				if (event) {
					yield event
				} else if (this.#hasEnded) {
					if (this.#failure) throw this.#failure
					return
				} else {
					await new Promise<void>((resolve) => {
						this.#wake = resolve
					})
				}
			}
		} finally {
			this.abort()
		}
	}

	#close(choice: number): void {
		this.#openChoices.delete(choice)
		if (this.#openChoices.size === 0) this.#end()
	}

	#end(): void {
		this.#hasEnded = true
		this.#control.ended()
		this.#wakeReader()
	}

	#wakeReader(): void {
		this.#wake?.()
		this.#wake = null
	}
}
