import { Elysia } from 'elysia'
import { toResponsesTextRequest, wantsLogprobs } from '../../openai/responses-request.ts'
import { toResponse } from '../../openai/responses-response.ts'
import { ResponseStream } from '../../openai/responses-stream.ts'
import { ResponseEvent, ResponseSchema, ResponsesRequest } from '../../openai/schemas/responses.ts'
import type { ServerContext } from '../deps.ts'
import { freshId, freshSeed, unixSeconds } from '../ids.ts'
import { jsonBody } from '../json-body.ts'
import { generationErrors, operation } from '../openapi.ts'
import { answerStream, answerWhole } from '../text-answer.ts'
import { TextSession } from '../text-session.ts'

/** POST /v1/responses, without any state. */
export function responses(context: ServerContext) {
	const respond = async (body: ResponsesRequest, request: Request): Promise<Response> => {
		const session = await TextSession.open(context, {
			model: body.model,
			request,
			promptField: 'input',
			toRequests: ({ tokenizer, config }) => [
				toResponsesTextRequest(body, {
					tokenizer,
					vocabSize: config.vocabSize,
					seed: freshSeed(),
				}),
			],
		})
		const head = {
			id: freshId('resp_'),
			messageId: freshId('msg_'),
			createdAt: unixSeconds(),
			model: session.lease.id,
			body,
			logprobsTokenizer: wantsLogprobs(body) ? session.lease.tokenizer : null,
		}
		if (body.stream) {
			return answerStream(session, request, context, new ResponseStream(head, unixSeconds))
		}
		return answerWhole(session, request, context, ([result]) =>
			toResponse(head, { ...result!, ...result!.choices[0]!, completedAt: unixSeconds() }),
		)
	}
	const hooks = {
		...jsonBody(ResponsesRequest, { bytesMax: context.limits.bodyBytesMax }),
		...operation({
			tag: 'OpenAI',
			summary: 'Response',
			description: 'The newer dialect of chat; nothing is stored between requests.',
			content: { 'application/json': ResponseSchema, 'text/event-stream': ResponseEvent },
			errors: generationErrors,
		}),
	}
	return new Elysia({ name: 'responses', normalize: false })
		.post('/v1/responses', ({ body, request }) => respond(body, request), hooks)
		.post('/responses', ({ body, request }) => respond(body, request), hooks)
}
