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

type Answer = (request: Request) => Response | Promise<Response>

/** Counts every request, and writes a line for those that people make. Never what was in them. */
export function requestLog({ log, metrics }: ServerContext, table: RouteTable) {
	const logged = (answer: Answer) => async (request: Request) => {
		const startedAt = performance.now()
		const response = await answer(request)
		const { method } = request
		const { status } = response
		const path = requestPath(request)
		const route = table.patternOf(path) ?? 'none'
		metrics.httpRequests.add({ method, route, status: String(status) })
		if (!unloggedPaths.has(path)) {
			log('info', 'request', {
				requestId: response.headers.get('x-request-id'),
				method,
				path,
				status,
				ms: Math.round(performance.now() - startedAt),
			})
		}
		return response
	}
	// Only a wrapper sees the final status. Elysia types what it wraps as a bare function.
	return new Elysia().wrap((handle) => logged(handle as unknown as Answer))
}
