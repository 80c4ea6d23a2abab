import { Elysia } from 'elysia'
import type { ServerContext } from './deps.ts'
import { answerError, overloaded } from './error-handler.ts'
import { requestPath } from './request-rules.ts'
import type { RouteTable } from './route-table.ts'

/**
 * Refuses who would find no place on a model, before a route is entered and anything of the body is read: a
 * crowd that asks again and again must not take the thread from those who were let in.
 */
export function admission(
	{ clients, refusalFor }: Pick<ServerContext, 'clients' | 'refusalFor'>,
	table: RouteTable,
) {
	return new Elysia().onRequest(({ request, set }) => {
		const route = table.find(request.method, requestPath(request))
		// HEAD is answered without computing.
		if (!route?.takesPlace || request.method === 'HEAD') return undefined
		const refusal = refusalFor(clients.of(request))
		if (refusal === null) return undefined
		return answerError(overloaded(refusal), request.headers, set)
	})
}
