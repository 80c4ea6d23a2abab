import { Elysia } from 'elysia'
import { ChunkStream } from '../../openai/chunk-stream.ts'
import { toCompletionTextRequests, toPrompts } from '../../openai/completion-request.ts'
import { completionChunkShape, toCompletion } from '../../openai/completion-response.ts'
import { Completion, CompletionRequest } from '../../openai/schemas/completions.ts'
import type { ServerContext } from '../deps.ts'
import { freshSeed, newAnswerHead } from '../ids.ts'
import { jsonBody } from '../json-body.ts'
import { generationErrors, operation } from '../openapi.ts'
import { answerStream, answerWhole } from '../text-answer.ts'
import { TextSession } from '../text-session.ts'

/** POST /v1/completions. */
export function completions(context: ServerContext) {
	const complete = async (body: CompletionRequest, request: Request): Promise<Response> => {
		let prompts: ReturnType<typeof toPrompts> = []
		const session = await TextSession.open(context, {
			model: body.model,
			request,
			toRequests: ({ tokenizer, config }) => {
				const context = { tokenizer, vocabSize: config.vocabSize, seed: freshSeed() }
				prompts = toPrompts(body.prompt, { ...context, param: 'prompt' })
				return toCompletionTextRequests(body, prompts, context)
			},
		})
		const head = newAnswerHead('cmpl-', session.lease)
		const n = body.n ?? 1
		const options = {
			prompts,
			n,
			echo: body.echo ?? false,
			logprobs: body.logprobs ?? null,
			promptLogprobs: body.prompt_logprobs ?? null,
			tokenizer: session.lease.tokenizer,
		}
		if (!body.stream) {
			return answerWhole(session, request, context, (results) =>
				toCompletion(head, results, options),
			)
		}
		const format = new ChunkStream(head, completionChunkShape(options), {
			choices: prompts.length * n,
			choicesPerPrompt: n,
			includeUsage: body.stream_options?.include_usage ?? false,
		})
		return answerStream(session, request, context, format)
	}
	const hooks = {
		...jsonBody(CompletionRequest, { bytesMax: context.limits.bodyBytesMax }),
		...operation({
			tag: 'OpenAI',
			summary: 'Text completion',
			description: 'Continues one or more texts, in one object or as a stream of events.',
			content: { 'application/json': Completion, 'text/event-stream': Completion },
			errors: generationErrors,
		}),
	}
	return new Elysia({ name: 'completions', normalize: false })
		.post('/v1/completions', ({ body, request }) => complete(body, request), hooks)
		.post('/completions', ({ body, request }) => complete(body, request), hooks)
}
