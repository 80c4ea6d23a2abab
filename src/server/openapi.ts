/**
 * What a route declares: the OpenAPI document shows it, and who may ask is taken from it. Bodies and
 * queries are checked where they are read, once; here they are only described.
 */
import { type TObject, type TSchema, Type } from '@sinclair/typebox'
import { named } from '../wire/fields.ts'
import type { Security } from './route-table.ts'

/** Body of every answer that is not a success. */
export const ErrorSchema = named(
	'Error',
	Type.Object(
		{
			error: Type.Object({
				message: Type.String({ description: 'What was expected and what came.' }),
				type: Type.String({ example: 'invalid_request_error' }),
				param: Type.String({ nullable: true, description: 'The field at fault.' }),
				code: Type.String({ nullable: true, example: 'invalid_type' }),
			}),
		},
		{ description: 'Anything that went wrong, on every path.' },
	),
)

/** Headers of answers, by name. */
export const responseHeaders = {
	'X-Request-Id': {
		description: 'The id of the request in the log: the one that it came with, or a new one.',
		schema: { type: 'string' },
	},
	'Retry-After': {
		description: 'After so many seconds it is worth trying again.',
		schema: { type: 'integer', minimum: 0 },
	},
	'WWW-Authenticate': { description: 'How to say who asks.', schema: { type: 'string' } },
	'X-Alpha-Truncated-Prompt-Tokens': {
		description:
			'Tokens at the beginning of the prompt that the model did not read; absent for none.',
		schema: { type: 'integer', minimum: 1 },
	},
	ETag: {
		description: 'Sent back in `If-None-Match` it gets 304 as long as nothing has changed.',
		schema: { type: 'string' },
	},
} as const

type HeaderName = keyof typeof responseHeaders

interface Failure {
	readonly name: string
	readonly description: string
	readonly codes: readonly string[]
	readonly headers?: readonly HeaderName[]
}

/** What can go wrong, by status. `codes`: what `error.code` is then. */
export const failures = {
	400: {
		name: 'BadRequest',
		description: 'A field is missing, of the wrong type or out of range; `param` names it.',
		codes: [
			'invalid_json',
			'missing_required_parameter',
			'invalid_type',
			'invalid_value',
			'integer_below_min_value',
			'integer_above_max_value',
			'decimal_below_min_value',
			'decimal_above_max_value',
			'empty_array',
			'array_below_min_length',
			'array_above_max_length',
			'unsupported_parameter',
			'unsupported_value',
			'context_length_exceeded',
			'answer_too_large',
			'chat_template_error',
			'invalid_checkpoint',
			'malformed_request',
		],
	},
	401: {
		name: 'Unauthorized',
		description: 'The key or the secret is missing or wrong.',
		codes: ['invalid_api_key'],
		headers: ['WWW-Authenticate'],
	},
	403: {
		name: 'Forbidden',
		description: 'Uploads are disabled, or those of pickled files.',
		codes: ['uploads_disabled', 'pickle_uploads_disabled'],
	},
	404: {
		name: 'NotFound',
		description: 'No such model, run or file.',
		codes: ['model_not_found', 'not_found'],
	},
	409: {
		name: 'Conflict',
		description: 'Somebody else is writing the same run.',
		codes: ['conflict'],
		headers: ['Retry-After'],
	},
	413: {
		name: 'TooLarge',
		description: 'The body is too large.',
		codes: ['request_too_large'],
	},
	415: {
		name: 'UnsupportedMediaType',
		description: 'The body is not JSON, or has a content coding.',
		codes: ['unsupported_media_type'],
	},
	429: {
		name: 'TooManyRequests',
		description: 'Too many requests from this client.',
		codes: ['rate_limit_exceeded'],
		headers: ['Retry-After'],
	},
	500: { name: 'ServerError', description: 'A fault of the server.', codes: ['internal_error'] },
	503: {
		name: 'Unavailable',
		description: 'The queue is full, the model is being loaded, or the server is going down.',
		codes: ['overloaded', 'model_loading', 'shutting_down', 'storage_unavailable'],
		headers: ['Retry-After'],
	},
	507: {
		name: 'NoRoom',
		description: 'The model does not fit into the memory, or the checkpoint onto the disk.',
		codes: ['insufficient_memory', 'insufficient_storage'],
	},
} as const satisfies Record<number, Failure>

type ErrorStatus = keyof typeof failures

/** The answers that operations refer to. */
export const errorResponses = Object.fromEntries(
	Object.values<Failure>(failures).map(({ name, description, codes, headers = [] }) => [
		name,
		{
			description: `${description} \`code\`: ${codes.join(', ')}.`,
			headers: headerReferences(['X-Request-Id', ...headers]),
			content: { 'application/json': { schema: ErrorSchema } },
		},
	]),
)

function headerReferences(names: readonly HeaderName[]) {
	return Object.fromEntries(
		names.map((name) => [name, { $ref: `#/components/headers/${name}` }] as const),
	)
}

/** Errors that any route which loads a model and reads a body can answer with. */
export const generationErrors: readonly ErrorStatus[] = [
	400, 401, 404, 413, 415, 429, 500, 503, 507,
]

/** What any route that answers with a text may tell of it. */
export const generationHeaders: readonly HeaderName[] = ['X-Alpha-Truncated-Prompt-Tokens']

export interface Operation {
	readonly tag: string
	/** What generated clients call it. */
	readonly id: string
	readonly summary: string
	readonly description?: string
	/** Media type → schema of the 200 answer; of a stream of events, of the JSON in their data. */
	readonly content: Readonly<Record<string, TSchema>>
	readonly body?: TSchema
	readonly query?: TObject
	readonly headers?: TObject
	/** Of the answer, beside the id of the request. */
	readonly answerHeaders?: readonly HeaderName[]
	/** The body is, or may be, bytes of which nothing more can be said. */
	readonly hasBinaryBody?: boolean
	readonly errors?: readonly ErrorStatus[]
	/** Default `key`. */
	readonly security?: Security
	/** It computes: whoever would find no place on a model is refused before anything of it is read. */
	readonly takesPlace?: boolean
}

/** OpenAPI describes a stream of events by the fields of one; the JSON in its data is text to it. */
const EventSchema = named(
	'ServerSentEvent',
	Type.Object({
		event: Type.Optional(Type.String()),
		data: Type.String({ description: 'JSON of `x-data-schema`, or `[DONE]`.' }),
	}),
)

function requestBody(json: TSchema | undefined, hasBinaryBody: boolean) {
	if (json === undefined && !hasBinaryBody) return {}
	const content = {
		...(json === undefined ? {} : { 'application/json': jsonBody(json) }),
		...(hasBinaryBody ? { 'application/octet-stream': { schema: binary } } : {}),
	}
	return { requestBody: { required: true, content } }
}

/** The example of a body is the body's, and not of the schema. */
function jsonBody({ example, ...schema }: TSchema) {
	return example === undefined ? { schema } : { schema, example }
}

const binary = Type.String({ format: 'binary' })

/** A page or a file of one: not in the document, and open to all. */
export const openPage = { detail: { hide: true } }

/** The route's `detail` hook. */
export function operation({
	tag,
	id,
	summary,
	description,
	body,
	query,
	headers,
	answerHeaders = [],
	hasBinaryBody = false,
	content,
	errors,
	security = 'key',
	takesPlace = false,
}: Operation) {
	const refusals = (errors ?? [500]).map((status) => [
		status,
		{ $ref: `#/components/responses/${failures[status].name}` },
	])
	const media = Object.entries(content).map(([type, schema]) => [
		type,
		type === 'text/event-stream' ? { schema: EventSchema, 'x-data-schema': schema } : { schema },
	])
	return {
		detail: {
			tags: [tag],
			operationId: id,
			summary,
			...(description === undefined ? {} : { description }),
			...requestBody(body, hasBinaryBody),
			parameters: [...parameters('query', query), ...parameters('header', headers)],
			...schemes[security],
			...(takesPlace ? { 'x-takes-place': true } : {}),
			responses: {
				200: {
					description: 'Success.',
					headers: headerReferences(['X-Request-Id', ...answerHeaders]),
					content: Object.fromEntries(media),
				},
				...Object.fromEntries(refusals),
			},
		},
	}
}

/** Without a word of its own, an operation has the security of the whole document. */
const schemes: Readonly<Record<Security, { readonly security?: Record<string, string[]>[] }>> = {
	key: {},
	none: { security: [] },
	uploadSecret: { security: [{ uploadSecret: [] }] },
}

function parameters(place: 'query' | 'header', schema: TObject | undefined) {
	const { properties = {}, required = [] } = schema ?? {}
	return Object.entries(properties).map(([name, { description = '', ...schema }]) => {
		return { name, in: place, required: required.includes(name), description, schema }
	})
}
