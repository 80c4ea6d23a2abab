/** Whatever was thrown becomes the one error object; the private half goes to the log only. */
import { Elysia, ParseError } from 'elysia'
import type { Refusal } from '../engine/place-queue.ts'
import { messageOf, stackOf } from '../lib/errors.ts'
import { Fault, type FaultKind } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import { storageFault } from '../lib/storage-fault.ts'
import {
	ApiError,
	type ApiErrorFields,
	invalidJson,
	invalidRequest,
	methodNotAllowed,
	unknownUrl,
} from '../wire/errors.ts'
import type { RouteTable } from './route-table.ts'
import { leavesMuchUnread } from './unread-body.ts'

/** The error object as it goes over the wire, with all four keys. */
function errorBody({ message, type, param = null, code }: ApiErrorFields) {
	return { error: { message, type, param, code } }
}

/** The answer, in nginx's way, for a client that has closed the connection; nobody reads it. */
export function clientClosedRequest(): Response {
	return new Response(null, { status: 499 })
}

const serverError = 'server_error'

type PublicFault = Pick<ApiErrorFields, 'status' | 'type' | 'code' | 'param'>

const OVERLOADED: PublicFault = { status: 503, type: serverError, code: 'overloaded' }

/** What each kind of fault is on the wire; null = nothing of it is told. */
const FAULTS: Readonly<Record<FaultKind, PublicFault | null>> = {
	invalid: { status: 400, type: invalidRequest, code: 'invalid_checkpoint', param: 'checkpoint' },
	'not-found': { status: 404, type: invalidRequest, code: 'model_not_found', param: 'model' },
	conflict: { status: 409, type: invalidRequest, code: 'conflict' },
	changing: { status: 503, type: serverError, code: 'model_loading' },
	overloaded: OVERLOADED,
	'shutting-down': { status: 503, type: serverError, code: 'shutting_down' },
	'not-writable': { status: 503, type: serverError, code: 'storage_unavailable' },
	'no-room': { status: 507, type: serverError, code: 'insufficient_memory' },
	'disk-full': { status: 507, type: serverError, code: 'insufficient_storage' },
	unreadable: null,
	bug: null,
}

/** Any thrown value as the error to show. */
export function toApiError(thrown: unknown): ApiError {
	if (thrown instanceof ApiError) return thrown
	const fault = thrown instanceof Fault ? thrown : storageFault(thrown)
	const known = fault && FAULTS[fault.kind]
	if (fault !== null && known !== null) {
		const { message, retrySeconds: retryAfterSeconds } = fault
		return new ApiError({ ...known, message, retryAfterSeconds }, { cause: thrown })
	}
	if (thrown instanceof ParseError) {
		return thrown.cause instanceof ApiError ? thrown.cause : invalidJson('it cannot be read')
	}
	return internalError(thrown)
}

/** What somebody is told who would find no place. */
export function overloaded({ message, retrySeconds }: Refusal): ApiErrorFields {
	return { ...OVERLOADED, message, retryAfterSeconds: retrySeconds }
}

function internalError(cause: unknown): ApiError {
	const message = 'The server had an error while processing your request.'
	return new ApiError(
		{ status: 500, type: serverError, code: 'internal_error', message },
		{ cause },
	)
}

/** Whether all that went wrong is that the client has gone: a body that breaks off has an error of its own. */
function isOfLeaving(error: unknown, request: Request): boolean {
	// A signal is made when it is asked for, which a refusal need not pay.
	if (error instanceof Fault || error instanceof ApiError || !request.signal.aborted) return false
	return error === request.signal.reason || (error instanceof Error && error.name === 'AbortError')
}

/** Answers every error of the app; must be used before the routes. */
export function errorHandler(log: Log, table: RouteTable) {
	return new Elysia().onError({ as: 'global' }, ({ code, error, request, path, set }) => {
		if (isOfLeaving(error, request)) return clientClosedRequest()
		const fault = code === 'NOT_FOUND' ? routeFault(request.method, path, table) : toApiError(error)
		const about = { requestId: set.headers['x-request-id'], method: request.method, path }
		if (fault.status === 500) {
			log('error', 'request failed', { ...about, cause: stackOf(fault.cause) })
		} else if (storageFault(error) !== null) {
			log('warn', 'storage failed', { ...about, cause: messageOf(error) })
		}
		return answerError(fault, request.headers, set)
	})
}

/** What Elysia makes an answer of: beside its text. */
interface AnswerHead {
	status?: number | string
	headers: Record<string, string | number | string[] | undefined>
}

/**
 * Writes the head of an error's answer and returns its text. Not a Response: Elysia would take it apart to
 * add the headers of all answers.
 */
export function answerError(error: ApiErrorFields, asked: Headers, set: AnswerHead): string {
	const { headers } = set
	set.status = error.status
	Object.assign(headers, error.headers)
	headers['content-type'] = 'application/json;charset=utf-8'
	if (leavesMuchUnread(asked)) headers['connection'] = 'close'
	if (error.retryAfterSeconds !== undefined) {
		headers['retry-after'] = String(Math.ceil(error.retryAfterSeconds))
	}
	return JSON.stringify(errorBody(error))
}

function routeFault(method: string, path: string, table: RouteTable): ApiError {
	const allowed = table.methodsOf(path)
	return allowed.length === 0 ? unknownUrl(method, path) : methodNotAllowed(method, path, allowed)
}
