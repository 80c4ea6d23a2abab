import { Elysia } from 'elysia'
import { toInferenceTextRequest } from '../../alpha/requests.ts'
import { inferenceFormat } from '../../alpha/responses.ts'
import { InferenceEvent, InferenceQuery } from '../../alpha/schemas/inference.ts'
import type { ServerContext } from '../deps.ts'
import { generationErrors, generationHeaders, operation } from '../openapi.ts'
import { queryReader } from '../query.ts'
import { answerStream, headResponse } from '../text-answer.ts'
import { openSession } from '../text-session.ts'

const readQuery = queryReader(InferenceQuery)

/** GET /inference. */
export function inference(context: ServerContext) {
	return new Elysia().get(
		'/inference',
		({ request }) => stream(context, request),
		operation({
			tag: 'Alpha',
			id: 'streamText',
			summary: 'Stream a text as server-sent events',
			description:
				'The first event repeats the prompt, each further one is generated text, and ' +
				'`data: [DONE]` ends the stream. Close the EventSource then, or it starts again.',
			query: InferenceQuery,
			content: { 'text/event-stream': InferenceEvent },
			answerHeaders: generationHeaders,
			errors: generationErrors,
			takesPlace: true,
		}),
	)
}

async function stream(context: ServerContext, request: Request): Promise<Response> {
	if (request.method === 'HEAD') return headResponse('text/event-stream; charset=utf-8')
	using opening = await openSession(context, request, readQuery)
	const { asked, requestContext } = opening
	const session = await opening.start([await toInferenceTextRequest(asked, requestContext)], {
		isStreamed: true,
	})
	return answerStream(session, inferenceFormat(asked.query ?? ''))
}
