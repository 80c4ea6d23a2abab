import { Elysia } from 'elysia'
import { inSlices } from '../../lib/steps.ts'
import { ChunkStream } from '../../openai/chunk-stream.ts'
import {
	type CompletionPrompt,
	toCompletionTextRequests,
	toPrompts,
} from '../../openai/completion-request.ts'
import { completionChunkShape, toCompletion } from '../../openai/completion-response.ts'
import { Completion, CompletionChunk, CompletionRequest } from '../../openai/schemas/completions.ts'
import type { ServerContext } from '../deps.ts'
import { newAnswerHead } from '../ids.ts'
import { type BodyReader, bodyReader } from '../json-body.ts'
import { generationErrors, generationHeaders, operation } from '../openapi.ts'
import { answerStream, answerWhole } from '../text-answer.ts'
import { openSession } from '../text-session.ts'

/** POST /completions. */
export function completions(context: ServerContext) {
	const read = bodyReader(CompletionRequest, context.limits.bodyBytesMax)
	return new Elysia().post(
		'/completions',
		({ request }) => complete(context, request, read),
		operation({
			tag: 'OpenAI',
			id: 'createCompletion',
			summary: 'Text completion',
			description: 'Continues one or more texts, in one object or as a stream of events.',
			body: CompletionRequest,
			content: { 'application/json': Completion, 'text/event-stream': CompletionChunk },
			answerHeaders: generationHeaders,
			errors: generationErrors,
			takesPlace: true,
		}),
	)
}

/** Most of a token id in an answer, with its comma. */
const ID_CHARACTERS = 7

async function complete(
	context: ServerContext,
	request: Request,
	read: BodyReader<CompletionRequest>,
): Promise<Response> {
	using opening = await openSession(context, request, read)
	const { asked, lease, requestContext } = opening
	const prompts = await toPrompts(asked.prompt, { ...requestContext, param: 'prompt' })
	const n = asked.n ?? 1
	const ofPrompt = ({ text, tokenIds }: CompletionPrompt) =>
		(asked.echo ? text.length : 0) + (asked.return_token_ids ? tokenIds.length * ID_CHARACTERS : 0)
	const session = await opening.start(
		await toCompletionTextRequests(asked, prompts, requestContext),
		{
			isStreamed: asked.stream ?? false,
			repeatedCharacters: n * prompts.reduce((sum, prompt) => sum + ofPrompt(prompt), 0),
		},
	)
	const head = newAnswerHead('cmpl-', lease)
	const options = {
		prompts,
		n,
		echo: asked.echo ?? false,
		logprobs: asked.logprobs ?? null,
		promptLogprobs: asked.prompt_logprobs ?? null,
		tokenIds: asked.return_token_ids ?? false,
		tokenizer: lease.tokenizer,
	}
	if (!asked.stream)
		return answerWhole(session, (results) => inSlices(toCompletion(head, results, options)))
	const format = new ChunkStream(head, completionChunkShape(options), {
		choices: prompts.length * n,
		choicesPerPrompt: n,
		includeUsage: asked.stream_options?.include_usage ?? false,
	})
	return answerStream(session, format)
}
