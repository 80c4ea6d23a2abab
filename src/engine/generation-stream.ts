import { Fault } from '../lib/fault.ts'
import { type Backlog, eventBytes, type UnreadStream, waitingBytes } from './backlog.ts'
import { EventQueue } from './event-queue.ts'
import type { Generation, TokenEvent } from './generation.ts'
import type { TokenState } from './token-state.ts'

/** What a reader takes at once, in bytes of our memory: it waits uncounted until the socket has room. */
const READY_BYTES_MAX = 16 * 1024

/** What a stream may ask of the engine that feeds it. */
export interface GenerationControl {
	stopChoice(choice: number): void
	moveTo(choice: number, state: TokenState): void
	/** Tells the worker to drop the request. */
	abort(): void
	/** So many choices shall give their places back until the reader has caught up. */
	park(choices: number): void
	/** They shall go on. */
	resume(): void
	/** The request is over, however it ended; called once. */
	ended(): void
}

/**
 * The main thread's end of a generation: events pushed by the engine, pulled by one reader. A reader that
 * does not read holds neither a place nor much memory: the generation is parked meanwhile.
 */
export class GenerationStream implements Generation, UnreadStream {
	readonly #control: GenerationControl
	readonly #backlog: Backlog
	readonly #events = new EventQueue()
	/** What the events take, in bytes. */
	#bytes = 0
	#isParked = false
	readonly #openChoices: Set<number>
	#hasEnded = false
	#failure: unknown = null
	#wake: (() => void) | null = null

	constructor(choices: number, control: GenerationControl, backlog: Backlog) {
		this.#backlog = backlog
		backlog.join(this)
		this.#openChoices = new Set(Array.from({ length: choices }, (_, choice) => choice))
		this.#control = control
	}

	/** Called by the engine, which then wakes the reader. Events of choices that were stopped are dropped. */
	push(event: TokenEvent): void {
		if (this.#hasEnded) return
		if (event.type !== 'prompt' && !this.#openChoices.has(event.choice)) return
		this.#events.push(event)
		this.#count(waitingBytes(event))
		if (event.type === 'finish') this.#close(event.choice)
		if (!this.#hasEnded && this.#backlog.isTooFarAhead(this.#bytes)) this.#park()
	}

	/** Called by the engine: lets the reader take what has been pushed. */
	wakeReader(): void {
		this.#wake?.()
		this.#wake = null
	}

	/** Called by the engine when it cannot go on; the reader gets the error after what is ready. */
	fail(error: unknown): void {
		if (this.#hasEnded) return
		this.#failure = error
		this.#end()
		this.wakeReader()
	}

	takeReady(): TokenEvent[] {
		const ready: TokenEvent[] = []
		let readyBytes = 0
		let bytes = 0
		while (readyBytes < READY_BYTES_MAX) {
			const event = this.#events.shift()
			if (event === undefined) break
			ready.push(event)
			readyBytes += eventBytes(event)
			bytes += waitingBytes(event)
		}
		this.#count(-bytes)
		this.#resume()
		return ready
	}

	get unreadBytes(): number {
		return this.#bytes
	}

	cut(): void {
		this.#keep(() => false)
		this.#failure = new Fault('overloaded', 'The answer was cut: its reader is too slow.')
		if (this.#hasEnded) return
		this.#control.abort()
		this.#end()
		this.wakeReader()
	}

	stopChoice(choice: number): void {
		// Even if the choice has ended by itself, what waits of it is not wanted any more.
		this.#keep((event) => event.type === 'prompt' || event.choice !== choice)
		if (!this.#openChoices.has(choice)) return
		this.#control.stopChoice(choice)
		this.#close(choice)
		if (this.#hasEnded) this.wakeReader()
	}

	moveTo(choice: number, state: TokenState): void {
		if (this.#openChoices.has(choice)) this.#control.moveTo(choice, state)
	}

	abort(): void {
		this.#keep(() => false)
		this.#backlog.leave(this)
		if (this.#hasEnded) return
		this.#control.abort()
		this.#end()
		this.wakeReader()
	}

	async *[Symbol.asyncIterator](): AsyncGenerator<TokenEvent> {
		try {
			while (true) {
				const event = this.#events.shift()
				if (event) {
					this.#count(-waitingBytes(event))
					this.#resume()
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

	#park(): void {
		if (this.#isParked) return
		this.#isParked = true
		this.#backlog.parkedTotal++
		this.#control.park(this.#openChoices.size)
	}

	#resume(): void {
		if (!this.#isParked || this.#hasEnded || !this.#backlog.isRead(this.#bytes)) return
		this.#isParked = false
		this.#control.resume()
	}

	#keep(isWanted: (event: TokenEvent) => boolean): void {
		let dropped = 0
		this.#events.keep((event) => {
			const isKept = isWanted(event)
			if (!isKept) dropped += waitingBytes(event)
			return isKept
		})
		this.#count(-dropped)
	}

	#count(bytes: number): void {
		this.#bytes += bytes
		this.#backlog.add(bytes)
	}

	#close(choice: number): void {
		this.#openChoices.delete(choice)
		if (this.#openChoices.size === 0) this.#end()
	}

	#end(): void {
		this.#hasEnded = true
		this.#control.ended()
	}
}
