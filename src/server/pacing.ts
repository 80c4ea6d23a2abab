import type { Clients } from './clients.ts'
import { unknownAddress } from './connections.ts'
import { requestPath } from './request-rules.ts'
import type { RouteTable } from './route-table.ts'
import { type Answer, wrapper } from './wrapper.ts'

/** Cheap answers that an address gets a second, in the long run and at once. */
const CHEAP_RATE = { perSecond: 500, atOnce: 500 }

/** Refusals for want of room that all addresses together get: a crowd that asks again costs no more than that. */
const OVERLOAD_RATE = { perSecond: 400, atOnce: 300 }

/** Longest that an answer waits, however many were asked for, in milliseconds. */
const DELAY_MS_MAX = 5000

/** Answers that wait at the same time; those beyond leave at once. */
const WAITING_MAX = 4096

/** Answers that wait leave together, so often: each alone would wake the thread for itself. */
const TICK_MS = 20

/** Addresses that are told apart. */
const ADDRESSES_MAX = 10_000

export interface PacingOptions {
	readonly clients: Clients
	/** Who asks with a wrong upload secret is answered so late, in milliseconds. */
	readonly refusalMs: number
}

const EVERYBODY = ''

/**
 * Answers those late who would only ask again. Trainers with a wrong upload secret do so without pause or
 * end, hundreds of times a second: for them it is once a second. And what cost no computing (refusals,
 * errors, probes, lists) leaves at a bounded rate for each address: tens of thousands a second would take the
 * thread from running streams. Probes have a rate of their own, so that those who watch the server see it. So
 * has what is refused because too many ask: whoever comes back when Retry-After says stays below it.
 */
export function pacing({ clients, refusalMs }: PacingOptions, table: RouteTable) {
	const rates = { other: new Rate(CHEAP_RATE), probes: new Rate(CHEAP_RATE) }
	const overloads = new Rate(OVERLOAD_RATE)
	const departures = new Departures()
	let waiting = 0
	const delayOf = (request: Request, { status }: Response): number => {
		if (status < 400 && request.method === 'POST') return 0
		const route = table.find(request.method, requestPath(request))
		const isRefused = status === 401 || status === 403
		if (isRefused && route?.security === 'uploadSecret') return refusalMs
		const address = clients.addressOf(request)
		if (address === unknownAddress) return 0
		const now = performance.now()
		if (route?.security === 'none') return rates.probes.delayOf(address, now)
		const delayMs = rates.other.delayOf(address, now)
		const isOverload = status === 503 || status === 429
		return isOverload ? Math.max(delayMs, overloads.delayOf(EVERYBODY, now)) : delayMs
	}
	const paced = (answer: Answer) => async (request: Request) => {
		const response = await answer(request)
		const delayMs = delayOf(request, response)
		if (delayMs === 0 || waiting >= WAITING_MAX) return response
		waiting++
		await departures.after(delayMs)
		waiting--
		return response
	}
	return wrapper('pacing', paced)
}

/** Waits that end at common times. */
class Departures {
	/** By the number of the tick. */
	readonly #ticks = new Map<number, Promise<void>>()

	/** Resolves after that time, at the next tick. */
	after(delayMs: number): Promise<void> {
		const now = performance.now()
		const number = Math.ceil((now + delayMs) / TICK_MS)
		let tick = this.#ticks.get(number)
		if (tick === undefined) {
			tick = Bun.sleep(number * TICK_MS - now).then(() => void this.#ticks.delete(number))
			this.#ticks.set(number, tick)
		}
		return tick
	}
}

/** A bounded rate for each address: what is beyond it has to wait for its turn. */
export class Rate {
	readonly #intervalMs: number
	readonly #atOnceMs: number
	/** When the address will have had its share, in milliseconds. */
	readonly #paidUntil = new Map<string, number>()

	/** Answers a second in the long run, and beyond them at once. */
	constructor({ perSecond, atOnce }: { perSecond: number; atOnce: number }) {
		this.#intervalMs = 1000 / perSecond
		this.#atOnceMs = atOnce * this.#intervalMs
	}

	/** How long the next answer to this address has to wait, in milliseconds. */
	delayOf(address: string, now: number): number {
		const next = Math.max(now, this.#paidUntil.get(address) ?? now) + this.#intervalMs
		const paidUntil = Math.min(next, now + this.#atOnceMs + DELAY_MS_MAX)
		if (!this.#paidUntil.has(address) && this.#paidUntil.size >= ADDRESSES_MAX) this.#forget(now)
		this.#paidUntil.set(address, paidUntil)
		return Math.max(0, paidUntil - now - this.#atOnceMs)
	}

	/** Drops those who owe nothing, and if there are none, everybody. */
	#forget(now: number): void {
		for (const [address, until] of this.#paidUntil)
			if (until <= now) this.#paidUntil.delete(address)
		if (this.#paidUntil.size >= ADDRESSES_MAX) this.#paidUntil.clear()
	}
}
