/**
 * The error catalogue: every fault a client can be told about, with its status, type, code and
 * message form (expected X, got Y).
 */
import { describeValue } from './describe-value.ts'
import { ApiError } from './errors.ts'

const invalidRequest = 'invalid_request_error'
const serverError = 'server_error'

/** 400: the body is empty, not JSON, or not an object. */
export function invalidJson(problem: string): ApiError {
	return badRequest('invalid_json', null, `The request body must be a JSON object: ${problem}.`)
}

/** 400: a required field is absent or null. */
export function missingParameter(param: string): ApiError {
	const message = `Missing required parameter: '${param}'.`
	return badRequest('missing_required_parameter', param, message)
}

/** 400: the value has another JSON type than the field. */
export function invalidType(param: string, expected: string, value: unknown): ApiError {
	return invalidKind(param, expected, describeValue(value))
}

/** The same, where only the beginning of the value has been seen: `found` in words. */
export function invalidKind(param: string, expected: string, found: string): ApiError {
	const message = `Invalid type for '${param}': expected ${expected}, got ${found}.`
	return badRequest('invalid_type', param, message)
}

/** 400: right type, but not one of the values that the field takes. */
export function invalidValue(param: string, expected: string, value: unknown): ApiError {
	const message = `Invalid value for '${param}': expected ${expected}, got ${describeValue(value)}.`
	return badRequest('invalid_value', param, message)
}

/** What a number or an array was measured against. */
export interface RangeFault {
	readonly param: string
	readonly kind: 'integer' | 'decimal'
	readonly bound: 'min' | 'max'
	readonly limit: number
	readonly value: unknown
}

/** 400: a number outside its range. */
export function numberOutOfRange({ param, kind, bound, limit, value }: RangeFault): ApiError {
	const side = bound === 'min' ? 'below_min' : 'above_max'
	const expected = bound === 'min' ? `at least ${limit}` : `at most ${limit}`
	const message = `Invalid value for '${param}': expected ${expected}, got ${describeValue(value)}.`
	return badRequest(`${kind}_${side}_value`, param, message)
}

/** 400: an array with too few or too many items. */
export function arrayLengthOutOfRange(
	param: string,
	bound: 'min' | 'max',
	limit: number,
	length: number,
): ApiError {
	const [code, expected] =
		bound === 'max'
			? ['array_above_max_length', `at most ${limit}`]
			: [length === 0 ? 'empty_array' : 'array_below_min_length', `at least ${limit}`]
	const message = `Invalid length of '${param}': expected ${expected} items, got ${length}.`
	return badRequest(code, param, message)
}

/** 400: a field that asks for something this server does not do. */
export function unsupportedParameter(param: string, reason: string): ApiError {
	return badRequest('unsupported_parameter', param, `Unsupported parameter: '${param}'. ${reason}`)
}

/** 400: a value that asks for something this server does not do. */
export function unsupportedValue(param: string, reason: string): ApiError {
	return badRequest('unsupported_value', param, `Unsupported value for '${param}': ${reason}.`)
}

/** 400: a response format that is no schema, or that this server or model cannot hold a text to. */
export function unenforceableFormat(
	param: string,
	code: 'invalid_value' | 'unsupported_value',
	problem: string,
): ApiError {
	return badRequest(code, param, `Invalid value for '${param}': ${problem}.`)
}

/** 400: the prompt does not fit and the request forbids truncation. */
export function contextLengthExceeded(
	param: string,
	contextLength: number,
	promptTokens: number,
): ApiError {
	const isFull = promptTokens === contextLength
	return badRequest(
		'context_length_exceeded',
		param,
		`This model's maximum context length is ${contextLength} tokens. ` +
			`However, your prompt has ${promptTokens} tokens.` +
			(isFull ? ' At least one token must be left for the answer.' : ''),
	)
}

/** 400: a request line or header that no honest client sends. */
export function malformedRequest(problem: string): ApiError {
	return badRequest('malformed_request', null, `Malformed request: ${problem}.`)
}

/** 400: the uploaded checkpoint cannot be turned into a model. */
export function invalidCheckpoint(problem: string, cause?: unknown): ApiError {
	return new ApiError(
		{
			status: 400,
			type: invalidRequest,
			code: 'invalid_checkpoint',
			param: 'checkpoint',
			message: `The checkpoint cannot be served: ${problem}.`,
		},
		{ cause },
	)
}

/** 401: the key or upload token is absent or wrong. */
export function invalidApiKey(message: string): ApiError {
	return new ApiError({
		status: 401,
		type: invalidRequest,
		code: 'invalid_api_key',
		message,
		headers: { 'www-authenticate': 'Bearer' },
	})
}

/** 403: the server was started without an upload secret. */
export function uploadsDisabled(): ApiError {
	return new ApiError({
		status: 403,
		type: invalidRequest,
		code: 'uploads_disabled',
		message: 'Uploads are disabled: start the server with UPLOAD_SECRET set to enable them.',
	})
}

/** 404: no model of that name is being served; `reason` says why not, where that is known. */
export function modelNotFound(model: string, reason?: string): ApiError {
	const problem = reason === undefined ? 'does not exist' : `cannot be served: ${reason}`
	return new ApiError({
		status: 404,
		type: invalidRequest,
		code: 'model_not_found',
		param: 'model',
		message: `The model ${describeValue(model)} ${problem}. GET /v1/models or alpha models lists the models.`,
	})
}

/** 404: nothing is at this path. */
export function unknownUrl(method: string, path: string): ApiError {
	return new ApiError({
		status: 404,
		type: invalidRequest,
		code: 'unknown_url',
		message: `Unknown request URL: ${method} ${describeValue(path)}. GET /swagger lists the endpoints.`,
	})
}

/** 405: the path exists for other methods. */
export function methodNotAllowed(
	method: string,
	path: string,
	allowed: readonly string[],
): ApiError {
	return new ApiError({
		status: 405,
		type: invalidRequest,
		code: 'method_not_allowed',
		message: `Method not allowed: ${method} ${describeValue(path)}. Expected ${allowed.join(' or ')}.`,
		headers: { allow: [...allowed, 'OPTIONS'].join(', ') },
	})
}

/** 409: somebody else is writing the same thing. */
export function conflict(message: string, retryAfterSeconds: number): ApiError {
	return new ApiError({
		status: 409,
		type: invalidRequest,
		code: 'conflict',
		message,
		retryAfterSeconds,
	})
}

/** 413: the body is larger than the route takes. */
export function requestTooLarge(bytesMax: number): ApiError {
	return new ApiError({
		status: 413,
		type: invalidRequest,
		code: 'request_too_large',
		message: `Request body too large: expected at most ${bytesMax} bytes.`,
	})
}

/** 415: a media type or content coding that the route does not read. */
export function unsupportedMediaType(expected: string, value: string): ApiError {
	return new ApiError({
		status: 415,
		type: invalidRequest,
		code: 'unsupported_media_type',
		message: `Unsupported media type: expected ${expected}, got ${describeValue(value)}.`,
	})
}

/** 429: this client has too many requests under way. */
export function rateLimitExceeded(message: string, retryAfterSeconds: number): ApiError {
	return new ApiError({
		status: 429,
		type: 'requests',
		code: 'rate_limit_exceeded',
		message,
		retryAfterSeconds,
	})
}

/** 500: our own fault; says nothing of it to the client. */
export function internalError(cause: unknown): ApiError {
	return new ApiError(
		{
			status: 500,
			type: serverError,
			code: 'internal_error',
			message: 'The server had an error while processing your request.',
		},
		{ cause },
	)
}

/** 503: the queue is full, a model is loading, or the server is going down. */
export function unavailable(
	code: 'overloaded' | 'model_loading' | 'shutting_down',
	message: string,
	retryAfterSeconds: number,
): ApiError {
	return new ApiError({ status: 503, type: serverError, code, message, retryAfterSeconds })
}

/** 507: the model is larger than the memory that models may use. */
export function insufficientMemory(message: string): ApiError {
	return new ApiError({ status: 507, type: serverError, code: 'insufficient_memory', message })
}

/** 507: the disk has no room for an upload. */
export function insufficientStorage(cause: unknown): ApiError {
	const message = 'There is not enough room to store the upload.'
	return new ApiError(
		{ status: 507, type: serverError, code: 'insufficient_storage', message },
		{ cause },
	)
}

/** 503: uploads cannot be stored at the moment, for instance in a read-only directory. */
export function storageUnavailable(
	message: string,
	retryAfterSeconds: number,
	cause?: unknown,
): ApiError {
	return new ApiError(
		{ status: 503, type: serverError, code: 'storage_unavailable', message, retryAfterSeconds },
		{ cause },
	)
}

function badRequest(code: string, param: string | null, message: string): ApiError {
	return new ApiError({ status: 400, type: invalidRequest, code, param, message })
}
