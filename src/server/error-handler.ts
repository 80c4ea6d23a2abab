/** Whatever was thrown becomes the one error object; the private half goes to the log only. */
import { Elysia, ParseError } from 'elysia'
import { internalError, invalidJson, methodNotAllowed, unknownUrl } from '../lib/api-errors.ts'
import { ApiError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { RouteTable } from './route-table.ts'

/** The error object as it goes over the wire, with all four keys. */
export function errorBody(error: ApiError) {
	const { message, type, param, code } = error
	return { error: { message, type, param, code } }
}

/** The answer, in nginx's way, for a client that has closed the connection; nobody reads it. */
export function clientClosedRequest(): Response {
	return new Response(null, { status: 499 })
}

/** Any thrown value as the error to show. */
export function toApiError(thrown: unknown): ApiError {
	if (thrown instanceof ApiError) return thrown
	if (thrown instanceof ParseError) {
		return thrown.cause instanceof ApiError ? thrown.cause : invalidJson('it cannot be read')
	}
	return internalError(thrown)
}

/** Answers every error of the app; must be used before the routes. */
export function errorHandler(log: Log, table: RouteTable) {
	return new Elysia({ name: 'error-handler' }).onError(
		{ as: 'global' },
		({ code, error, request, path, set }) => {
			if (request.signal.aborted && error === request.signal.reason) return clientClosedRequest()
			const fault =
				code === 'NOT_FOUND' ? routeFault(request.method, path, table) : toApiError(error)
			if (fault.status === 500) {
				log('error', 'request failed', {
					requestId: set.headers['x-request-id'],
					method: request.method,
					path,
					cause: fault.cause instanceof Error ? fault.cause.stack : String(fault.cause),
				})
			}
			return errorResponse(fault)
		},
	)
}

/** The HTTP answer for an error; general headers are added by the app. */
export function errorResponse(error: ApiError): Response {
	const headers = new Headers(error.headers)
	if (error.retryAfterSeconds !== undefined) {
		headers.set('retry-after', String(Math.ceil(error.retryAfterSeconds)))
	}
	return Response.json(errorBody(error), { status: error.status, headers })
}

function routeFault(method: string, path: string, table: RouteTable): ApiError {
	const allowed = table.methodsOf(path)
	return allowed.length === 0 ? unknownUrl(method, path) : methodNotAllowed(method, path, allowed)
}
