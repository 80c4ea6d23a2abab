/** What the OpenAPI document says about a route beyond its body and query. */
import { type TSchema, Type } from '@sinclair/typebox'

const errorDescriptions = {
	400: 'A field is missing, of the wrong type or out of range; `param` names it.',
	401: 'The key or token is missing or wrong.',
	403: 'Uploads are disabled.',
	404: 'No such model.',
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
	/** JSON body, where the route's own hooks do not say it. */
	readonly body?: TSchema
	readonly errors?: readonly ErrorStatus[]
	/** Who may ask, if not those with an API key: anybody, or those with the upload secret. */
	readonly security?: 'none' | 'uploadSecret'
}

/** OpenAPI describes a stream of events by the fields of one; the JSON in its data is text to it. */
const EventSchema = Type.Object({
	event: Type.Optional(Type.String()),
	data: Type.String({ description: 'JSON of `x-data-schema`, or `[DONE]`.' }),
})

function jsonContent(schema: TSchema) {
	return { required: true, content: { 'application/json': { schema } } }
}

const uploadSecret = { uploadSecret: [] }

/** The route's `detail` hook. */
export function operation({
	tag,
	summary,
	description,
	body,
	content,
	errors,
	security,
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
			...(body === undefined ? {} : { requestBody: jsonContent(body) }),
			...(security === undefined ? {} : { security: security === 'none' ? [] : [uploadSecret] }),
			responses: {
				200: { description: 'Success.', content: Object.fromEntries(media) },
				...Object.fromEntries(failures),
			},
		},
	}
}
