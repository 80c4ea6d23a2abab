/** What the OpenAPI document says about a route beyond its body and query. */
import type { TSchema } from '@sinclair/typebox'

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
	/** Media type → schema of the 200 answer. */
	readonly content: Readonly<Record<string, TSchema>>
	readonly errors?: readonly ErrorStatus[]
	/** Security scheme of the document that the route needs. */
	readonly security?: 'apiKey' | 'uploadSecret'
}

/** The route's `detail` hook. */
export function operation({ tag, summary, description, content, errors, security }: Operation) {
	const failures = (errors ?? [500]).map((status) => [
		status,
		{
			description: errorDescriptions[status],
			content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
		},
	])
	const media = Object.entries(content).map(([type, schema]) => [type, { schema }])
	return {
		detail: {
			tags: [tag],
			summary,
			...(description === undefined ? {} : { description }),
			...(security === undefined ? {} : { security: [{ [security]: [] }] }),
			responses: {
				200: { description: 'Success.', content: Object.fromEntries(media) },
				...Object.fromEntries(failures),
			},
		},
	}
}
