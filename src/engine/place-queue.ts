/*
 * Who runs and who waits on one model. A place is the right to run one choice; requests that find none
 * wait for so long and in such numbers, and clients take turns, so that the flood of one costs the others
 * little. Pure bookkeeping: the clock is the caller's.
 */
import { assert } from '../lib/assert.ts'
import { Fault } from '../lib/fault.ts'

export interface PlaceLimits {
	/** Places of the model. */
	readonly placesMax: number
	/** Choices that may wait. */
	readonly waitingMax: number
	/** Longest time that a request may wait, in milliseconds. */
	readonly waitMsMax: number
	/** False while choices that hold a place wait for memory. */
	hasRoom(): boolean
}

/** Why somebody may not wait: many get one, so it is no error with a stack until it is thrown. */
export interface Refusal {
	readonly message: string
	/** After how long another try makes sense, in seconds. */
	readonly retrySeconds: number
}

/** Someone who waits; told once, by one of the two. */
export interface Waiter {
	readonly client: string
	readonly choices: number
	/** `isOnly`: its client held no place before. */
	admit(isOnly: boolean): void
	refuse(error: Error): void
}

interface Entry extends Waiter {
	readonly since: number
}

interface Client {
	held: number
	readonly waiting: Entry[]
	/** When it last got places, as a count of admissions. */
	lastTurn: number
}

/** One in so many places is for clients that hold none. */
const PLACES_PER_KEPT = 16
/** Over how long the rate at which places come free is measured, in milliseconds. */
const RATE_WINDOW_MS = 2000
const RETRY_SECONDS_MAX = 60

export class PlaceQueue {
	readonly #limits: PlaceLimits
	readonly #placesForAll: number
	readonly #clients = new Map<string, Client>()
	#held = 0
	#waiting = 0
	#turns = 0
	/** Places that came free in this window of time, and the rate of the one before, per millisecond. */
	#freed = 0
	#windowStart = 0
	#freedPerMs = 0

	constructor(limits: PlaceLimits) {
		this.#limits = limits
		this.#placesForAll = limits.placesMax - Math.floor(limits.placesMax / PLACES_PER_KEPT)
	}

	/** Choices that run. */
	get held(): number {
		return this.#held
	}

	/** Choices that wait. */
	get waiting(): number {
		return this.#waiting
	}

	/** Admits at once where there is room and nobody waits. Throws Fault `overloaded` where waiting is in vain. */
	enter(waiter: Waiter, now: number): void {
		const client = this.#clientOf(waiter.client)
		if (client.waiting.length === 0 && this.#hasPlaceFor(client)) {
			const isOnly = client.held === 0
			this.#take(client, waiter.choices)
			waiter.admit(isOnly)
			return
		}
		const refusal = this.refusalFor(waiter.client, waiter.choices, now)
		if (refusal !== null) {
			this.#forgetIdle(waiter.client, client)
			throw overloaded(refusal)
		}
		while (this.#waiting + waiter.choices > this.#limits.waitingMax) this.#displace(now)
		client.waiting.push({ ...waiter, since: now })
		this.#waiting += waiter.choices
	}

	/** Why this client would be refused now; null when it may enter. */
	refusalFor(name: string, choices: number, now: number): Refusal | null {
		const client = this.#clients.get(name)
		if (this.#hasPlaceFor(client)) return null
		if (this.#waiting + choices > this.#limits.waitingMax && !this.#mayDisplace(client)) {
			return this.#refusal(now)
		}
		if (this.#waiting === 0) return null
		const rate = this.#rate(now)
		// Before anything has come free, nothing is known.
		const waitMs = rate === 0 ? 0 : (this.#choicesBefore(client) + choices) / rate
		return waitMs > this.#limits.waitMsMax ? this.#refusal(now) : null
	}

	/** Gives up waiting; nothing when it does not wait any more. */
	leave(waiter: Waiter): void {
		const client = this.#clients.get(waiter.client)
		const index = client?.waiting.findIndex((entry) => entry.admit === waiter.admit) ?? -1
		if (client === undefined || index === -1) return
		client.waiting.splice(index, 1)
		this.#waiting -= waiter.choices
		this.#forgetIdle(waiter.client, client)
	}

	/** Gives back places that were held. */
	release(name: string, choices: number, now: number): void {
		const client = this.#clients.get(name)
		assert(client && client.held >= choices, 'places are given back by who holds them')
		client.held -= choices
		this.#held -= choices
		if (this.#held < this.#limits.placesMax / 2) this.#forgetRate(now)
		else {
			this.#rate(now)
			this.#freed += choices
		}
		this.#forgetIdle(name, client)
	}

	/** Holds places again that were given back for a while, also beyond those there are. */
	retake(name: string, choices: number): void {
		this.#take(this.#clientOf(name), choices)
	}

	/** Admits who can be admitted: of the clients that wait, the one with the fewest places first. */
	admit(): void {
		for (;;) {
			let next: Client | null = null
			for (const client of this.#clients.values()) {
				if (client.waiting.length > 0 && (next === null || isBefore(client, next))) next = client
			}
			if (next === null || !this.#hasPlaceFor(next)) return
			const entry = next.waiting.shift()!
			this.#waiting -= entry.choices
			const isOnly = next.held === 0
			this.#take(next, entry.choices)
			entry.admit(isOnly)
		}
	}

	/** Refuses who has waited too long. */
	expire(now: number): void {
		for (const [name, client] of this.#clients) {
			while (client.waiting[0] && now - client.waiting[0].since >= this.#limits.waitMsMax) {
				const entry = client.waiting.shift()!
				this.#waiting -= entry.choices
				entry.refuse(overloaded(this.#refusal(now)))
			}
			this.#forgetIdle(name, client)
		}
	}

	/** Refuses everybody who waits. */
	refuseAll(error: Error): void {
		for (const client of this.#clients.values()) {
			for (const entry of client.waiting.splice(0)) entry.refuse(error)
		}
		this.#waiting = 0
	}

	/** One free place is enough: the choices beyond wait in the engine, and nobody overtakes them. */
	#hasPlaceFor(client: Client | undefined): boolean {
		const isNew = client === undefined || client.held === 0
		if (this.#held >= (isNew ? this.#limits.placesMax : this.#placesForAll)) return false
		return this.#held === 0 || this.#limits.hasRoom()
	}

	#take(client: Client, choices: number): void {
		client.held += choices
		client.lastTurn = ++this.#turns
		this.#held += choices
	}

	/** A client that neither runs nor waits may take the place of one that has more than one request waiting. */
	#mayDisplace(client: Client | undefined): boolean {
		if (client !== undefined && client.held + client.waiting.length > 0) return false
		return this.#longest().waiting.length > 1
	}

	/** Refuses the newest request of the client with the most of them. */
	#displace(now: number): void {
		const entry = this.#longest().waiting.pop()
		assert(entry, 'somebody waits')
		this.#waiting -= entry.choices
		entry.refuse(overloaded(this.#refusal(now)))
	}

	#longest(): Client {
		let longest: Client = { held: 0, waiting: [], lastTurn: 0 }
		for (const client of this.#clients.values()) {
			if (client.waiting.length > longest.waiting.length) longest = client
		}
		return longest
	}

	/** Choices that are admitted before a further one of this client, as clients take turns. */
	#choicesBefore(client: Client | undefined): number {
		const own = client?.waiting.length ?? 0
		let sum = 0
		for (const { waiting } of this.#clients.values()) {
			const before = Math.min(waiting.length, own + 1)
			for (let i = 0; i < before; i++) sum += waiting[i]!.choices
		}
		return sum
	}

	/** Places that come free per millisecond, of late. */
	#rate(now: number): number {
		const elapsed = now - this.#windowStart
		if (elapsed < RATE_WINDOW_MS) return this.#freedPerMs
		this.#freedPerMs = this.#freed / elapsed
		this.#freed = 0
		this.#windowStart = now
		return this.#freedPerMs
	}

	/** What comes free while many places are left over tells how few are asked for, not how fast they come. */
	#forgetRate(now: number): void {
		this.#freedPerMs = 0
		this.#freed = 0
		this.#windowStart = now
	}

	/** Those who are refused together shall not come back together. */
	#refusal(now: number): Refusal {
		const rate = this.#rate(now)
		const seconds = rate === 0 ? 1 : this.#waiting / rate / 1000
		return {
			message: `The server is overloaded: ${this.#waiting} requests are waiting.`,
			retrySeconds: Math.max(1, Math.min(seconds, RETRY_SECONDS_MAX)) * (0.5 + Math.random()),
		}
	}

	#clientOf(name: string): Client {
		let client = this.#clients.get(name)
		if (client === undefined) {
			client = { held: 0, waiting: [], lastTurn: 0 }
			this.#clients.set(name, client)
		}
		return client
	}

	#forgetIdle(name: string, client: Client): void {
		if (client.held === 0 && client.waiting.length === 0) this.#clients.delete(name)
	}
}

function isBefore(a: Client, b: Client): boolean {
	return a.held < b.held || (a.held === b.held && a.lastTurn < b.lastTurn)
}

function overloaded({ message, retrySeconds }: Refusal): Fault {
	return new Fault('overloaded', message, { retrySeconds })
}
