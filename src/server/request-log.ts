import { Elysia } from 'elysia'
import type { ServerContext } from './deps.ts'
import { requestPath } from './request-rules.ts'
import type { RouteTable } from './route-table.ts'

/** Asked for every few seconds by machines: not worth a line. */
const unloggedPaths = new Set([
	'/health',
	'/v1/health',
	'/healthz',
	'/readyz',
	'/livez',
	'/ping',
	'/metrics',
])

/** Asked for by trainers at every step: only what fails is worth a line. */
const reportPaths = new Set(['/api/ingest', '/api/upload/chunk'])

/** What a client may be told thousands of times a second. */
const refusals = new Set([401, 403, 429, 503])

/** A client that fails again and again in the same way gets one line in this time, milliseconds. */
const REPEAT_MS = 60_000

/** Clients whose failures are remembered. */
const CLIENTS_MAX = 1000

type Answer = (request: Request) => Response | Promise<Response>

/** Counts every request, and writes a line for those that people make. Never what was in them. */
export function requestLog({ log, metrics, connections }: ServerContext, table: RouteTable) {
	const repeats = new RepeatFilter()
	const counts = new Map<string, { count: number }>()
	const add = (method: string, route: string, status: string) => {
		const key = `${method} ${route} ${status}`
		const known = counts.get(key) ?? metrics.httpRequests.at({ method, route, status })
		counts.set(key, known)
		known.count++
	}
	const logged = (answer: Answer) => async (request: Request) => {
		const startedAt = performance.now()
		const response = await answer(request)
		const { method } = request
		const { status } = response
		const path = requestPath(request)
		const route = table.patternOf(path) ?? 'none'
		add(method, route, String(status))
		const isReport = reportPaths.has(path)
		if (unloggedPaths.has(path) || (isReport && status < 400)) return response
		let unloggedBefore = 0
		if (refusals.has(status) || isReport) {
			const failure = `${method} ${route} ${status} ${connections.addressOf(request)}`
			const count = repeats.take(failure)
			if (count === null) return response
			unloggedBefore = count
		}
		log('info', 'request', {
			requestId: response.headers.get('x-request-id'),
			method,
			path,
			status,
			ms: Math.round(performance.now() - startedAt),
			...(unloggedBefore > 0 ? { unloggedBefore } : {}),
		})
		return response
	}
	// Only a wrapper sees the final status. Elysia types what it wraps as a bare function.
	return new Elysia().wrap((handle) => logged(handle as unknown as Answer))
}

/** Lets one of many equal failures through in a while, and counts the others. */
export class RepeatFilter {
	readonly #now: () => number
	readonly #seen = new Map<string, { sinceMs: number; unlogged: number }>()

	/** `now` in milliseconds, for tests. */
	constructor(now: () => number = () => performance.now()) {
		this.#now = now
	}

	/** How many equal ones were held back before this one; null when this one is, too. */
	take(failure: string): number | null {
		const seen = this.#seen.get(failure)
		const now = this.#now()
		if (seen !== undefined && now - seen.sinceMs < REPEAT_MS) {
			seen.unlogged++
			return null
		}
		// What was seen least recently is at the beginning.
		this.#seen.delete(failure)
		this.#seen.set(failure, { sinceMs: now, unlogged: 0 })
		if (this.#seen.size > CLIENTS_MAX) this.#seen.delete(this.#seen.keys().next().value ?? '')
		return seen?.unlogged ?? 0
	}
}
