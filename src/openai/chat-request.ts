import { invalidValue } from '../lib/api-errors.ts'
import { renderChat } from '../text/chat-template.ts'
import { endOfMessages, promptOrStart } from '../text/prompt.ts'
import type { TextRequest } from '../text/text-events.ts'
import { chatMaxTokensDefault, chatTemperatureDefault } from './limits.ts'
import { toChatMessages } from './messages.ts'
import { toConstraint, toJsonSchema } from './response-format.ts'
import {
	clampMaxTokens,
	type RequestContext,
	toSampling,
	toStop,
	toStopTokenIds,
} from './sampling.ts'
import type { ChatCompletionRequest } from './schemas/chat.ts'

/** Body of POST /v1/chat/completions → generation. Throws ApiError 400. */
export function toChatTextRequest(
	body: ChatCompletionRequest,
	context: RequestContext,
): TextRequest {
	if ((body.top_logprobs ?? 0) > 0 && body.logprobs !== true) {
		throw invalidValue('top_logprobs', 'logprobs to be true as well', body.top_logprobs)
	}
	const { tokenizer, vocabSize } = context
	const chat = renderChat(endOfMessages(toChatMessages(body.messages)), tokenizer)
	const maxTokens = body.max_completion_tokens ?? body.max_tokens ?? chatMaxTokensDefault
	const stop = toStop(body.stop)
	const stopTokenIds = toStopTokenIds(body, chat.stopTokenIds, vocabSize)
	const format = body.response_format
	const schema = toJsonSchema(
		format?.type,
		format?.json_schema?.schema,
		'response_format.json_schema.schema',
	)
	const constraint = toConstraint(schema, stop, tokenizer, {
		param: 'response_format',
		vocabSize,
		stopTokenIds,
	})
	return {
		generation: {
			...promptOrStart(chat.tokenIds, tokenizer.startTokenId),
			n: body.n ?? 1,
			maxTokens: clampMaxTokens(maxTokens),
			sampling: toSampling(body, body.temperature ?? chatTemperatureDefault, context),
			stopTokenIds,
			minTokens: body.min_tokens ?? 0,
			logprobs: body.logprobs ? (body.top_logprobs ?? 0) : null,
			promptLogprobs: null,
			truncation: body.truncation ?? 'auto',
			constrained: constraint !== null,
		},
		stop,
		includeStop: body.include_stop_str_in_output ?? false,
		skipsLeadingBlank: chat.skipsLeadingBlank,
		constraint,
	}
}
