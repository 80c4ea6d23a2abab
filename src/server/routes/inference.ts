import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import { toInferenceTextRequest } from '../../alpha/requests.ts'
import { tokenFrame } from '../../alpha/responses.ts'
import { InferenceQuery } from '../../alpha/schemas/inference.ts'
import { doneFrame, errorFrame, type StreamFormat } from '../../wire/stream-format.ts'
import type { ServerContext } from '../deps.ts'
import { freshSeed } from '../ids.ts'
import { generationErrors, operation } from '../openapi.ts'
import { strictQuery } from '../strict-query.ts'
import { answerStream, headResponse } from '../text-answer.ts'
import { TextSession } from '../text-session.ts'

const TokenEventSchema = Type.Object({ token: Type.String({ example: 'hello' }) })

/** GET /api/inference, and /inference as the first server had it. */
export function inference(context: ServerContext) {
	const stream = async (query: InferenceQuery, request: Request): Promise<Response> => {
		if (request.method === 'HEAD') return headResponse('text/event-stream; charset=utf-8')
		const session = await TextSession.open(context, {
			model: query.model,
			request,
			toRequests: ({ tokenizer }) => [
				toInferenceTextRequest(query, { tokenizer, seed: freshSeed() }),
			],
		})
		return answerStream(session, request, context, tokenFormat(query.query ?? ''))
	}
	const hooks = {
		...strictQuery(InferenceQuery),
		...operation({
			tag: 'Alpha',
			summary: 'Stream a text as server-sent events',
			description:
				'The first event repeats the prompt, each further one is generated text, and ' +
				'`data: [DONE]` ends the stream. Close the EventSource then, or it starts again.',
			content: { 'text/event-stream': TokenEventSchema },
			errors: generationErrors,
		}),
	}
	return new Elysia({ name: 'inference', normalize: false })
		.get('/api/inference', ({ query, request }) => stream(query, request), hooks)
		.get('/inference', ({ query, request }) => stream(query, request), hooks)
}

function tokenFormat(prompt: string): StreamFormat {
	return {
		open: () => tokenFrame(prompt),
		event: (event) => (event.type === 'text' ? tokenFrame(event.text) : ''),
		close: () => doneFrame,
		fail: errorFrame,
	}
}
