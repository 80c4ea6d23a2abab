/**
 * The error object of the API, and the catalogue of what a request itself can have wrong: status, type,
 * code and message form (expected X, got Y). Faults of the server's own parts are named at its door.
 */
import { describeValue } from '../lib/json.ts'

/** What a caller may be told, in the words of the wire's error object. */
export interface ApiErrorFields {
	/** HTTP status. */
	readonly status: number
	readonly type: string
	readonly code: string | null
	/** The request field at fault, for instance `messages[2].role`. */
	readonly param?: string | null
	/** Public text: what was expected and what came. Never a path, a stack or an OS message. */
	readonly message: string
	/** Seconds after which a retry makes sense; becomes the `Retry-After` header. */
	readonly retryAfterSeconds?: number | undefined
	/** Further response headers, for instance `Allow`. */
	readonly headers?: Readonly<Record<string, string>>
}

/** An error whose fields are safe to show to a client; the private half is `cause`, for the log. */
export class ApiError extends Error {
	override readonly name = 'ApiError'
	readonly status: number
	readonly type: string
	readonly code: string | null
	readonly param: string | null
	readonly retryAfterSeconds: number | undefined
	readonly headers: Readonly<Record<string, string>>

	constructor(fields: ApiErrorFields, options?: { cause?: unknown }) {
		super(fields.message, options)
		this.status = fields.status
		this.type = fields.type
		this.code = fields.code
		this.param = fields.param ?? null
		this.retryAfterSeconds = fields.retryAfterSeconds
		this.headers = fields.headers ?? {}
	}
}

export const invalidRequest = 'invalid_request_error'

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

/** The same, where only the beginning of the value has been seen: `got` in words. */
export function invalidKind(param: string, expected: string, got: string): ApiError {
	const message = `Invalid type for '${param}': expected ${expected}, got ${got}.`
	return badRequest('invalid_type', param, message)
}

/** 400: right type, but not one of the values that the field takes. */
export function invalidValue(param: string, expected: string, value: unknown): ApiError {
	const message = `Invalid value for '${param}': expected ${expected}, got ${describeValue(value)}.`
	return badRequest('invalid_value', param, message)
}

/** 400: a value of more than a limit, which was not read to its end. */
export function moreThan(param: string, limit: string): ApiError {
	return badRequest(
		'invalid_value',
		param,
		`Invalid value for '${param}': expected at most ${limit}, got more.`,
	)
}

/** Which numbers a field takes; part of the code of what is out of range. */
export type NumberKind = 'integer' | 'decimal'

/** 400: a number under its range. */
export function belowMin(param: string, min: number, value: unknown, kind: NumberKind): ApiError {
	return outOfRange(`${kind}_below_min_value`, param, `at least ${min}`, value)
}

/** 400: a number over its range. */
export function aboveMax(param: string, max: number, value: unknown, kind: NumberKind): ApiError {
	return outOfRange(`${kind}_above_max_value`, param, `at most ${max}`, value)
}

function outOfRange(code: string, param: string, expected: string, value: unknown): ApiError {
	const message = `Invalid value for '${param}': expected ${expected}, got ${describeValue(value)}.`
	return badRequest(code, param, message)
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

/** 400: the model's own chat template makes no prompt of these messages. */
export function chatTemplateFailed(param: string, reason: string): ApiError {
	const message = `The model's chat template failed: ${reason}`
	return badRequest('chat_template_error', param, message)
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

/** 400: an answer in one piece, or what a stream begins with, that could be larger than the server makes. */
export function answerTooLarge(bytesMax: number, bytes: number): ApiError {
	const [limit, asked] = [bytesMax, bytes].map((each) => `${Math.ceil(each / 2 ** 20)} MB`)
	return badRequest(
		'answer_too_large',
		'n',
		`The answer could have ${asked}, at most ${limit} are made in one piece: ask for a stream without ` +
			"'echo', or for less by the number of prompts, 'n', 'max_tokens', 'logprobs' and 'echo'.",
	)
}

/** 400: a request line or header that no honest client sends. */
export function malformedRequest(problem: string): ApiError {
	return badRequest('malformed_request', null, `Malformed request: ${problem}.`)
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

/** 403: pickles hold programs, so they are taken only where the operator has said so. */
export function pickleRefused(file: string): ApiError {
	return new ApiError({
		status: 403,
		type: invalidRequest,
		code: 'pickle_uploads_disabled',
		message: `${file}: uploads of pickles are refused; send safetensors, or start the server with --allow-pickle-uploads.`,
	})
}

/** 404: there is no `kind` of that name; `hint` says where to look. */
export function notFound(kind: string, name: string, hint: string): ApiError {
	return new ApiError({
		status: 404,
		type: invalidRequest,
		code: 'not_found',
		message: `There is no ${kind} ${describeValue(name)}. ${hint}`,
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

function badRequest(code: string, param: string | null, message: string): ApiError {
	return new ApiError({ status: 400, type: invalidRequest, code, param, message })
}
