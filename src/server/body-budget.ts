import { Fault } from '../lib/fault.ts'
import { type Garbage, SHORT_BYTES_MAX } from './garbage.ts'
import { Turns } from './turns.ts'

/** Bytes of request bodies that are being read, or belong to requests that wait or run. */
export interface BodyBytes extends Disposable {
	/** Takes more; disposing gives all of it back. Throws Fault `overloaded`. */
	take(bytes: number): void
	/** Resolves when something may be made of the body; others wait until that is disposed of. Null for a short one. */
	turn(): Promise<Disposable | null>
}

/** One client may hold this part of all. */
const CLIENT_SHARE = 0.5
const RETRY_SECONDS = 2

/**
 * What all bodies together may take of the memory: many requests of allowed sizes are too much
 * together. Bytes count when they arrive, so that nobody reserves what he does not send. What is made
 * of a long body takes several times its length, so that is done with one of them at a time, which takes
 * the thread no longer, and what earlier ones left is collected before.
 */
export class BodyBudget {
	readonly #bytesMax: number
	readonly #garbage: Garbage
	readonly #byClient = new Map<string, number>()
	readonly #turns = new Turns()
	#bytes = 0

	constructor(bytesMax: number, garbage: Garbage) {
		this.#bytesMax = bytesMax
		this.#garbage = garbage
	}

	/** Held now, in bytes. */
	get bytes(): number {
		return this.#bytes
	}

	/** An empty share for a request of this client. */
	open(client: string): BodyBytes {
		return new Share(this, client)
	}

	/** Throws Fault `overloaded`. */
	take(client: string, bytes: number): void {
		const ofClient = this.#byClient.get(client) ?? 0
		const isTooMuch =
			this.#bytes + bytes > this.#bytesMax || ofClient + bytes > this.#bytesMax * CLIENT_SHARE
		if (isTooMuch) {
			const message = 'The server is overloaded: too many bytes of requests are under way.'
			throw new Fault('overloaded', message, { retrySeconds: RETRY_SECONDS })
		}
		this.#bytes += bytes
		this.#byClient.set(client, ofClient + bytes)
	}

	/** Takes back what a client held. */
	giveBack(client: string, bytes: number): void {
		const rest = (this.#byClient.get(client) ?? 0) - bytes
		if (rest > 0) this.#byClient.set(client, rest)
		else this.#byClient.delete(client)
		this.#bytes -= bytes
		this.#garbage.add(bytes)
	}

	/** Of a client's body of so many bytes; short ones are worked on side by side. */
	async turn(client: string, bytes: number): Promise<Disposable | null> {
		if (bytes <= SHORT_BYTES_MAX) return null
		const turn = await this.#turns.take(client)
		await this.#garbage.makeRoom(bytes)
		return turn
	}
}

class Share implements BodyBytes {
	readonly #budget: BodyBudget
	readonly #client: string
	#held = 0

	constructor(budget: BodyBudget, client: string) {
		this.#budget = budget
		this.#client = client
	}

	take(bytes: number): void {
		this.#budget.take(this.#client, bytes)
		this.#held += bytes
	}

	turn(): Promise<Disposable | null> {
		return this.#budget.turn(this.#client, this.#held)
	}

	[Symbol.dispose](): void {
		this.#budget.giveBack(this.#client, this.#held)
		this.#held = 0
	}
}
