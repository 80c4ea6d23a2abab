/**
 * What a route declares: the OpenAPI document shows it, and who may ask is taken from it. Bodies and
 * queries are checked where they are read, once; here they are only described.
 */
import { type TObject, type TSchema, Type } from '@sinclair/typebox'
import type { Security } from './route-table.ts'

/** Body of every answer that is not a success. */
export const ErrorSchema = Type.Object(
	{
		error: Type.Object({
			message: Type.String({ description: 'What was expected and what came.' }),
			type: Type.String({ example: 'invalid_request_error' }),
			param: Type.String({ nullable: true, description: 'The field at fault.' }),
			code: Type.String({ nullable: true, example: 'invalid_type' }),
		}),
	},
	{ description: 'Anything that went wrong, on every path.' },
)

const errorDescriptions = {
	400: 'A field is missing, of the wrong type or out of range; `param` names it.',
	401: 'The key or token is missing or wrong.',
	403: 'Uploads are disabled.',
	404: 'No such model, run or file.',
	409: 'Somebody else is writing the same run; `Retry-After` says when to try again.',
	413: 'The body is too large.',
	415: 'The body is not JSON, or has a content coding.',
	429: 'Too many requests from this client; `Retry-After` says when to try again.',
	500: 'A fault of the server.',
	503: 'Queue full, model loading or server going down; `Retry-After` says when to try again.',
	507: 'The model does not fit into the memory.',
} as const

type ErrorStatus = keyof typeof errorDescriptions

/** Errors that any route which loads a model and reads a body can answer with. */
export const generationErrors: readonly ErrorStatus[] = [
	400, 401, 404, 413, 415, 429, 500, 503, 507,
]

export interface Operation {
	readonly tag: string
	readonly summary: string
	readonly description?: string
	/** Media type → schema of the 200 answer; of a stream of events, of the JSON in their data. */
	readonly content: Readonly<Record<string, TSchema>>
	readonly body?: TSchema
	readonly query?: TObject
	readonly headers?: TObject
	/** The body is, or may be, bytes of which nothing more can be said. */
	readonly hasBinaryBody?: boolean
	readonly errors?: readonly ErrorStatus[]
	/** Default `key`. */
	readonly security?: Security
}

/** OpenAPI describes a stream of events by the fields of one; the JSON in its data is text to it. */
const EventSchema = Type.Object({
	event: Type.Optional(Type.String()),
	data: Type.String({ description: 'JSON of `x-data-schema`, or `[DONE]`.' }),
})

function requestBody(json: TSchema | undefined, hasBinaryBody: boolean) {
	if (json === undefined && !hasBinaryBody) return {}
	const content = {
		...(json === undefined ? {} : { 'application/json': { schema: json } }),
		...(hasBinaryBody ? { 'application/octet-stream': { schema: binary } } : {}),
	}
	return { requestBody: { required: true, content } }
}

const binary = Type.String({ format: 'binary' })

/** A page or a file of one: not in the document, and open to all. */
export const openPage = { detail: { hide: true } }

/** The route's `detail` hook. */
export function operation({
	tag,
	summary,
	description,
	body,
	query,
	headers,
	hasBinaryBody = false,
	content,
	errors,
	security = 'key',
}: Operation) {
	const failures = (errors ?? [500]).map((status) => [
		status,
		{
			description: errorDescriptions[status],
			content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
		},
	])
	const media = Object.entries(content).map(([type, schema]) => [
		type,
		type === 'text/event-stream' ? { schema: EventSchema, 'x-data-schema': schema } : { schema },
	])
	return {
		detail: {
			tags: [tag],
			summary,
			...(description === undefined ? {} : { description }),
			...requestBody(body, hasBinaryBody),
			...(query === undefined ? {} : { parameters: parameters('query', query) }),
			...(headers === undefined ? {} : { parameters: parameters('header', headers) }),
			...schemes[security],
			responses: {
				200: { description: 'Success.', content: Object.fromEntries(media) },
				...Object.fromEntries(failures),
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

function parameters(place: 'query' | 'header', { properties, required = [] }: TObject) {
	return Object.entries(properties).map(([name, { description = '', ...schema }]) => {
		return { name, in: place, required: required.includes(name), description, schema }
	})
}
