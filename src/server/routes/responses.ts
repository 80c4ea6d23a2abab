import { Elysia } from 'elysia'
import { inSlices } from '../../lib/steps.ts'
import { replyParser } from '../../openai/chat-options.ts'
import { toResponsesTextRequest, wantsLogprobs } from '../../openai/responses-request.ts'
import { toOutput, toResponse } from '../../openai/responses-response.ts'
import { ResponseStream } from '../../openai/responses-stream.ts'
import { ResponseEvent, ResponseSchema, ResponsesRequest } from '../../openai/schemas/responses.ts'
import type { ServerContext } from '../deps.ts'
import { freshId, unixSeconds } from '../ids.ts'
import { type BodyReader, bodyReader } from '../json-body.ts'
import { generationErrors, generationHeaders, operation } from '../openapi.ts'
import { answerStream, answerWhole } from '../text-answer.ts'
import { openSession } from '../text-session.ts'

/** POST /responses, without any state. */
export function responses(context: ServerContext) {
	const read = bodyReader(ResponsesRequest, context.limits.bodyBytesMax)
	return new Elysia().post(
		'/responses',
		({ request }) => respond(context, request, read),
		operation({
			tag: 'OpenAI',
			id: 'createResponse',
			summary: 'Response',
			description: 'The newer dialect of chat; nothing is stored between requests.',
			body: ResponsesRequest,
			content: { 'application/json': ResponseSchema, 'text/event-stream': ResponseEvent },
			answerHeaders: generationHeaders,
			errors: generationErrors,
			takesPlace: true,
		}),
	)
}

async function respond(
	context: ServerContext,
	request: Request,
	read: BodyReader<ResponsesRequest>,
): Promise<Response> {
	using opening = await openSession(context, request, read)
	const { asked, lease, requestContext } = opening
	const session = await opening.start([await toResponsesTextRequest(asked, requestContext)], {
		promptField: 'input',
		isStreamed: asked.stream ?? false,
	})
	const head = {
		id: freshId('resp_'),
		newId: freshId,
		createdAt: unixSeconds(),
		model: lease.id,
		body: asked,
		logprobsTokenizer: wantsLogprobs(asked) ? lease.tokenizer : null,
		newParser: replyParser(asked, lease.tokenizer),
	}
	if (asked.stream) return answerStream(session, new ResponseStream(head, unixSeconds))
	return answerWhole(session, async ([result]) =>
		toResponse(head, await inSlices(toOutput(head, result!, unixSeconds()))),
	)
}
