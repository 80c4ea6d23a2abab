import { Elysia } from 'elysia'
import { toChatCompletionTextRequest } from '../../openai/chat-request.ts'
import { chatChunkShape, toChatCompletion } from '../../openai/chat-response.ts'
import { ChunkStream } from '../../openai/chunk-stream.ts'
import {
	ChatCompletion,
	ChatCompletionChunk,
	ChatCompletionRequest,
} from '../../openai/schemas/chat.ts'
import type { ServerContext } from '../deps.ts'
import { freshSeed, newAnswerHead } from '../ids.ts'
import { jsonBody } from '../json-body.ts'
import { generationErrors, operation } from '../openapi.ts'
import { answerStream, answerWhole } from '../text-answer.ts'
import { TextSession } from '../text-session.ts'

/** POST /v1/chat/completions. */
export function chatCompletions(context: ServerContext) {
	const complete = async (body: ChatCompletionRequest, request: Request): Promise<Response> => {
		const session = await TextSession.open(context, {
			model: body.model,
			request,
			promptField: 'messages',
			toRequests: ({ tokenizer, config }) => [
				toChatCompletionTextRequest(body, {
					tokenizer,
					vocabSize: config.vocabSize,
					seed: freshSeed(),
				}),
			],
		})
		const head = newAnswerHead('chatcmpl-', session.lease)
		const { tokenizer } = session.lease
		if (!body.stream) {
			return answerWhole(session, request, context, ([result]) =>
				toChatCompletion(head, result!, {
					tokenizer,
					logprobs: body.logprobs ?? false,
					promptLogprobs: body.prompt_logprobs ?? null,
				}),
			)
		}
		const format = new ChunkStream(head, chatChunkShape(body.logprobs ? tokenizer : null), {
			choices: body.n ?? 1,
			choicesPerPrompt: body.n ?? 1,
			includeUsage: body.stream_options?.include_usage ?? false,
		})
		return answerStream(session, request, context, format)
	}
	const hooks = {
		...jsonBody(ChatCompletionRequest, { bytesMax: context.limits.bodyBytesMax }),
		...operation({
			tag: 'OpenAI',
			summary: 'Chat completion',
			description: 'The next message of a conversation, in one object or as a stream of events.',
			content: { 'application/json': ChatCompletion, 'text/event-stream': ChatCompletionChunk },
			errors: generationErrors,
		}),
	}
	return new Elysia({ name: 'chat-completions', normalize: false })
		.post('/v1/chat/completions', ({ body, request }) => complete(body, request), hooks)
		.post('/chat/completions', ({ body, request }) => complete(body, request), hooks)
}
