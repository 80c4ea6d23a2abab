import { Elysia } from 'elysia'
import { requestPath } from './request-rules.ts'
import type { RouteTable } from './route-table.ts'

/** Refusals that wait at the same time; those beyond are answered at once. */
const WAITING_MAX = 1000

type Answer = (request: Request) => Response | Promise<Response>

/**
 * Answers a wrong upload secret late. Trainers that are refused ask again without pause or end, hundreds
 * of times a second; this makes it once a second.
 */
export function slowRefusals(delayMs: number, table: RouteTable) {
	let waiting = 0
	const slowed = (answer: Answer) => async (request: Request) => {
		const response = await answer(request)
		if (response.status !== 401 && response.status !== 403) return response
		const route = table.find(request.method, requestPath(request))
		if (route?.security !== 'uploadSecret' || waiting >= WAITING_MAX) return response
		waiting++
		await Bun.sleep(delayMs)
		waiting--
		return response
	}
	return new Elysia().wrap((handle) => slowed(handle as unknown as Answer))
}
