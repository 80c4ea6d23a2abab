/** Text → answers of POST /v1/responses. */
import type { FinishReason } from '../engine/generation.ts'
import type { ScoredToken } from '../text/text-events.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { chatMaxTokensDefault, chatTemperatureDefault } from './limits.ts'
import { toChatLogprobs } from './logprobs.ts'
import type {
	OutputMessage,
	OutputText,
	ResponseSchema,
	ResponsesRequest,
	ResponseUsage,
} from './schemas/responses.ts'

/** Facts that are known before anything is generated. */
export interface ResponseHead {
	readonly id: string
	/** Id of the one message of the output. */
	readonly messageId: string
	/** Unix seconds. */
	readonly createdAt: number
	readonly model: string
	readonly body: ResponsesRequest
	/** Null when no log-probabilities were asked for. */
	readonly logprobsTokenizer: Tokenizer | null
}

/** What was generated. */
export interface ResponseOutput {
	readonly text: string
	readonly tokens: readonly ScoredToken[]
	readonly finishReason: FinishReason
	readonly promptTokens: number
	readonly cachedTokens: number
	readonly completionTokens: number
	/** Unix seconds. */
	readonly completedAt: number
}

/** The response object; `output` is null while it is being generated. */
export function toResponse(head: ResponseHead, output: ResponseOutput | null): ResponseSchema {
	const { body } = head
	const isIncomplete = output?.finishReason === 'length'
	return {
		id: head.id,
		object: 'response',
		created_at: head.createdAt,
		completed_at: output?.completedAt ?? null,
		status: output === null ? 'in_progress' : isIncomplete ? 'incomplete' : 'completed',
		error: null,
		incomplete_details: isIncomplete ? { reason: 'max_output_tokens' } : null,
		instructions: body.instructions ?? null,
		max_output_tokens: body.max_output_tokens ?? chatMaxTokensDefault,
		metadata: body.metadata ?? {},
		model: head.model,
		output: output === null ? [] : [toMessage(head, output)],
		parallel_tool_calls: true,
		previous_response_id: null,
		store: false,
		temperature: body.temperature ?? chatTemperatureDefault,
		text: { format: body.text?.format ?? { type: 'text' } },
		tool_choice: body.tool_choice ?? 'auto',
		tools: [],
		top_logprobs: body.top_logprobs ?? 0,
		top_p: body.top_p ?? 1,
		truncation: body.truncation ?? 'auto',
		usage: output === null ? null : toResponseUsage(output),
	}
}

/** The message of a finished output. */
export function toMessage(head: ResponseHead, output: ResponseOutput): OutputMessage {
	return {
		id: head.messageId,
		type: 'message',
		role: 'assistant',
		status: output.finishReason === 'length' ? 'incomplete' : 'completed',
		content: [toOutputText(head, output)],
	}
}

/** The content part of a message. */
export function toOutputText(
	head: ResponseHead,
	output: Pick<ResponseOutput, 'text' | 'tokens'>,
): OutputText {
	return {
		type: 'output_text',
		text: output.text,
		annotations: [],
		logprobs: toResponseLogprobs(output.tokens, head),
	}
}

/** Log-probabilities as this endpoint lists them: always an array, empty unless asked for. */
export function toResponseLogprobs(
	tokens: readonly ScoredToken[],
	{ logprobsTokenizer }: ResponseHead,
) {
	return logprobsTokenizer === null ? [] : toChatLogprobs(tokens, logprobsTokenizer).content
}

function toResponseUsage({
	promptTokens,
	cachedTokens,
	completionTokens,
}: ResponseOutput): ResponseUsage {
	return {
		input_tokens: promptTokens,
		input_tokens_details: { cached_tokens: cachedTokens },
		output_tokens: completionTokens,
		output_tokens_details: { reasoning_tokens: 0 },
		total_tokens: promptTokens + completionTokens,
	}
}
