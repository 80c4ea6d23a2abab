import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import { toInferenceTextRequest } from '../../alpha/requests.ts'
import { tokenFrame } from '../../alpha/responses.ts'
import { InferenceQuery } from '../../alpha/schemas/inference.ts'
import { doneFrame, errorFrame, type StreamFormat } from '../../wire/stream-format.ts'
import type { ServerContext } from '../deps.ts'
import { generationErrors, operation } from '../openapi.ts'
import { queryReader } from '../query.ts'
import { answerStream, headResponse } from '../text-answer.ts'
import { openSession } from '../text-session.ts'

const TokenEventSchema = Type.Object({ token: Type.String({ example: 'hello' }) })

const readQuery = queryReader(InferenceQuery)

/** GET /inference. */
export function inference(context: ServerContext) {
	return new Elysia().get(
		'/inference',
		({ request }) => stream(context, request),
		operation({
			tag: 'Alpha',
			summary: 'Stream a text as server-sent events',
			description:
				'The first event repeats the prompt, each further one is generated text, and ' +
				'`data: [DONE]` ends the stream. Close the EventSource then, or it starts again.',
			query: InferenceQuery,
			content: { 'text/event-stream': TokenEventSchema },
			errors: generationErrors,
		}),
	)
}

async function stream(context: ServerContext, request: Request): Promise<Response> {
	if (request.method === 'HEAD') return headResponse('text/event-stream; charset=utf-8')
	using opening = await openSession(context, request, readQuery)
	const { asked, requestContext } = opening
	const session = await opening.start([toInferenceTextRequest(asked, requestContext)])
	return answerStream(session, tokenFormat(asked.query ?? ''))
}

function tokenFormat(prompt: string): StreamFormat {
	return {
		open: () => tokenFrame(prompt),
		event: (event) => (event.type === 'text' ? tokenFrame(event.text) : ''),
		close: () => doneFrame,
		fail: errorFrame,
	}
}
