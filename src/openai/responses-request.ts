import { unsupportedParameter } from '../lib/api-errors.ts'
import { type ChatMessage, renderChat } from '../text/chat-template.ts'
import { endOfMessages, promptOrStart } from '../text/prompt.ts'
import type { TextRequest } from '../text/text-events.ts'
import { chatMaxTokensDefault, chatTemperatureDefault } from './limits.ts'
import { contentText } from './messages.ts'
import { toConstraint, toJsonSchema } from './response-format.ts'
import { clampMaxTokens, type RequestContext, toSampling } from './sampling.ts'
import type { ResponsesRequest } from './schemas/responses.ts'

/** Body of POST /v1/responses → generation. Throws ApiError 400. */
export function toResponsesTextRequest(
	body: ResponsesRequest,
	context: RequestContext,
): TextRequest {
	if (body.background) throw unsupportedParameter('background', 'The server keeps no state.')
	const { tokenizer, vocabSize } = context
	const chat = renderChat(endOfMessages(toMessages(body)), tokenizer)
	const format = body.text?.format
	const schema = toJsonSchema(format?.type, format?.schema, 'text.format.schema')
	const constraint = toConstraint(schema, [], tokenizer, {
		param: 'text.format',
		vocabSize,
		stopTokenIds: chat.stopTokenIds,
	})
	return {
		generation: {
			...promptOrStart(chat.tokenIds, tokenizer.startTokenId),
			n: 1,
			maxTokens: clampMaxTokens(body.max_output_tokens ?? chatMaxTokensDefault),
			sampling: toSampling(body, body.temperature ?? chatTemperatureDefault, context),
			stopTokenIds: chat.stopTokenIds,
			minTokens: 0,
			logprobs: wantsLogprobs(body) ? (body.top_logprobs ?? 0) : null,
			promptLogprobs: null,
			truncation: body.truncation ?? 'auto',
			constrained: constraint !== null,
		},
		stop: [],
		includeStop: false,
		skipsLeadingBlank: chat.skipsLeadingBlank,
		constraint,
	}
}

/** Log-probabilities are asked for by their number or by name. */
export function wantsLogprobs({ top_logprobs, include }: ResponsesRequest): boolean {
	return (top_logprobs ?? 0) > 0 || (include?.includes('message.output_text.logprobs') ?? false)
}

function toMessages({ input, instructions }: ResponsesRequest): ChatMessage[] {
	const messages: ChatMessage[] =
		typeof input === 'string'
			? [{ role: 'user', content: input }]
			: input.map(({ role, content }) => ({ role, content: contentText(content) }))
	return instructions === undefined
		? messages
		: [{ role: 'system', content: instructions }, ...messages]
}
