import type { ChatMessage } from '../text/chat-message.ts'
import { type TextRequest, textRequest } from '../text/text-request.ts'
import { promptOfChat } from '../wire/chat-prompt.ts'
import { unsupportedParameter } from '../wire/errors.ts'
import type { RequestContext } from '../wire/request-fields.ts'
import { offeredTools } from './chat-options.ts'
import { chatMaxTokensDefault, chatTemperatureDefault } from './limits.ts'
import { fromInputItems } from './messages.ts'
import { toResponsesConstraint } from './response-format.ts'
import { clampMaxTokens, toSampling } from './sampling.ts'
import type { ResponsesRequest } from './schemas/responses.ts'
import { toCallConstraint, toForcedCalls, withCallMark } from './tools.ts'

/** Body of POST /v1/responses → generation. Throws ApiError 400. */
export async function toResponsesTextRequest(
	body: ResponsesRequest,
	context: RequestContext,
): Promise<TextRequest> {
	if (body.background) throw unsupportedParameter('background', 'The server keeps no state.')
	const { tokenizer, vocabSize } = context
	const chat = await promptOfChat(toMessages(body), tokenizer, {
		param: 'input',
		tools: offeredTools(body),
	})
	const calls = toForcedCalls(body, tokenizer)
	const prompt = withCallMark(chat, calls, tokenizer)
	const { stopTokenIds } = prompt
	return textRequest(prompt, tokenizer, {
		maxTokens: clampMaxTokens(body.max_output_tokens ?? chatMaxTokensDefault),
		sampling: toSampling(body, body.temperature ?? chatTemperatureDefault, context),
		logprobs: wantsLogprobs(body) ? (body.top_logprobs ?? 0) : null,
		truncation: body.truncation ?? 'auto',
		constraint:
			calls === null
				? await toResponsesConstraint(body, { tokenizer, stop: [], vocabSize, stopTokenIds })
				: await toCallConstraint(calls, tokenizer, { vocabSize, stopTokenIds }),
	})
}

/** Log-probabilities are asked for by their number or by name. */
export function wantsLogprobs({ top_logprobs, include }: ResponsesRequest): boolean {
	return (top_logprobs ?? 0) > 0 || (include?.includes('message.output_text.logprobs') ?? false)
}

function toMessages({ input, instructions }: ResponsesRequest): ChatMessage[] {
	const messages: ChatMessage[] =
		typeof input === 'string' ? [{ role: 'user', content: input }] : fromInputItems(input)
	return instructions === undefined
		? messages
		: [{ role: 'system', content: instructions }, ...messages]
}
