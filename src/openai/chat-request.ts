import { type TextRequest, textRequest } from '../text/text-request.ts'
import { promptOfChat } from '../wire/chat-prompt.ts'
import { invalidValue } from '../wire/errors.ts'
import type { RequestContext } from '../wire/request-fields.ts'
import { toChatOptions } from './chat-options.ts'
import { chatMaxTokensDefault, chatTemperatureDefault } from './limits.ts'
import { fromWireMessages } from './messages.ts'
import { toConstraint } from './response-format.ts'
import {
	clampMaxTokens,
	toPromptLogprobsCount,
	toSampling,
	toStop,
	toStopTokenIds,
} from './sampling.ts'
import type { ChatCompletionRequest } from './schemas/chat.ts'
import { toCallConstraint, toForcedCalls, withCallMark } from './tools.ts'

/** Body of POST /v1/chat/completions → generation. Throws ApiError 400. */
export async function toChatCompletionTextRequest(
	body: ChatCompletionRequest,
	context: RequestContext,
): Promise<TextRequest> {
	if ((body.top_logprobs ?? 0) > 0 && body.logprobs !== true) {
		throw invalidValue('top_logprobs', 'logprobs to be true as well', body.top_logprobs)
	}
	const { tokenizer, vocabSize } = context
	const chat = await promptOfChat(fromWireMessages(body.messages), tokenizer, {
		...toChatOptions(body),
		param: 'messages',
	})
	const calls = toForcedCalls(body, tokenizer)
	const prompt = withCallMark(chat, calls, tokenizer)
	const maxTokens = body.max_completion_tokens ?? body.max_tokens ?? chatMaxTokensDefault
	const stop = toStop(body.stop)
	const stopTokenIds = toStopTokenIds(body, prompt.stopTokenIds, vocabSize)
	return textRequest(prompt, tokenizer, {
		n: body.n ?? 1,
		maxTokens: clampMaxTokens(maxTokens),
		sampling: toSampling(body, body.temperature ?? chatTemperatureDefault, context),
		// Calls are not cut: agents send stop texts for the case that the answer is a text.
		stop: calls === null ? stop : [],
		includeStop: body.include_stop_str_in_output ?? false,
		stopTokenIds,
		minTokens: body.min_tokens ?? 0,
		logprobs: body.logprobs ? (body.top_logprobs ?? 0) : null,
		promptLogprobs: toPromptLogprobsCount(body),
		truncation: body.truncation ?? 'auto',
		constraint:
			calls === null
				? await toConstraint(body, { tokenizer, stop, vocabSize, stopTokenIds })
				: await toCallConstraint(calls, tokenizer, { vocabSize, stopTokenIds }),
	})
}
