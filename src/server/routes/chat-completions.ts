import { Elysia } from 'elysia'
import { inSlices } from '../../lib/steps.ts'
import { replyParser } from '../../openai/chat-options.ts'
import { toChatCompletionTextRequest } from '../../openai/chat-request.ts'
import { chatChunkShape, toChatCompletion } from '../../openai/chat-response.ts'
import { ChunkStream } from '../../openai/chunk-stream.ts'
import {
	ChatCompletion,
	ChatCompletionChunk,
	ChatCompletionRequest,
} from '../../openai/schemas/chat.ts'
import { forcesCalls } from '../../openai/tools.ts'
import { promptIds } from '../../text/text-request.ts'
import type { ServerContext } from '../deps.ts'
import { freshId, newAnswerHead } from '../ids.ts'
import { type BodyReader, bodyReader } from '../json-body.ts'
import { generationErrors, generationHeaders, operation } from '../openapi.ts'
import { answerStream, answerWhole } from '../text-answer.ts'
import { openSession } from '../text-session.ts'

/** POST /chat/completions. */
export function chatCompletions(context: ServerContext) {
	const read = bodyReader(ChatCompletionRequest, context.limits.bodyBytesMax)
	return new Elysia().post(
		'/chat/completions',
		({ request }) => complete(context, request, read),
		operation({
			tag: 'OpenAI',
			id: 'createChatCompletion',
			summary: 'Chat completion',
			description: 'The next message of a conversation, in one object or as a stream of events.',
			body: ChatCompletionRequest,
			content: { 'application/json': ChatCompletion, 'text/event-stream': ChatCompletionChunk },
			answerHeaders: generationHeaders,
			errors: generationErrors,
			takesPlace: true,
		}),
	)
}

async function complete(
	context: ServerContext,
	request: Request,
	read: BodyReader<ChatCompletionRequest>,
): Promise<Response> {
	using opening = await openSession(context, request, read)
	const { asked, lease, requestContext } = opening
	const textRequest = await toChatCompletionTextRequest(asked, requestContext)
	const session = await opening.start([textRequest], {
		promptField: 'messages',
		isStreamed: asked.stream ?? false,
	})
	const head = newAnswerHead('chatcmpl-', lease)
	const newParser = replyParser(asked, lease.tokenizer)
	const options = {
		tokenizer: lease.tokenizer,
		logprobs: asked.logprobs ?? false,
		promptLogprobs: asked.prompt_logprobs ?? null,
		promptTokenIds: asked.return_token_ids ? promptIds(textRequest) : null,
		newId: forcesCalls(asked) ? freshId : null,
		callsWithin: newParser && { newParser, newId: freshId },
	}
	if (!asked.stream) {
		return answerWhole(session, ([result]) => inSlices(toChatCompletion(head, result!, options)))
	}
	const format = new ChunkStream(head, chatChunkShape(options), {
		choices: asked.n ?? 1,
		choicesPerPrompt: asked.n ?? 1,
		includeUsage: asked.stream_options?.include_usage ?? false,
	})
	return answerStream(session, format)
}
