/** Text → answers of POST /v1/responses. */
import type { FinishReason } from '../engine/generation.ts'
import type { Steps } from '../lib/steps.ts'
import type { ScoredToken, TextResult } from '../text/text-events.ts'
import type { ToolCallParser } from '../text/tool-call-parser.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { type Call, CallList } from './call-list.ts'
import { chatMaxTokensDefault, chatTemperatureDefault } from './limits.ts'
import { toChatLogprobs } from './logprobs.ts'
import type { ChatLogprob } from './schemas/chat.ts'
import type {
	OutputItem,
	OutputMessage,
	OutputText,
	ResponseSchema,
	ResponsesRequest,
	ResponseUsage,
} from './schemas/responses.ts'
import type { FunctionCallItem } from './schemas/tools.ts'
import { forcesCalls } from './tools.ts'

/** Facts that are known before anything is generated. */
export interface ResponseHead {
	readonly id: string
	/** Makes the ids of the items of the output. */
	readonly newId: (prefix: string) => string
	/** Unix seconds. */
	readonly createdAt: number
	readonly model: string
	readonly body: ResponsesRequest
	/** Null when no log-probabilities were asked for. */
	readonly logprobsTokenizer: Tokenizer | null
	/** Finds calls in texts, in the format of the model's template. Default: they have none. */
	readonly newParser?: (() => ToolCallParser) | null
}

/** What was generated. */
export interface ResponseOutput {
	readonly items: readonly OutputItem[]
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
		access_programs: null,
		incomplete_details: isIncomplete ? { reason: 'max_output_tokens' } : null,
		instructions: body.instructions ?? null,
		max_output_tokens: body.max_output_tokens ?? chatMaxTokensDefault,
		metadata: body.metadata ?? {},
		model: head.model,
		output: [...(output?.items ?? [])],
		parallel_tool_calls: body.parallel_tool_calls ?? true,
		previous_response_id: null,
		store: false,
		temperature: body.temperature ?? chatTemperatureDefault,
		text: { format: body.text?.format ?? { type: 'text' } },
		tool_choice: body.tool_choice ?? 'auto',
		tools: body.tools ?? [],
		top_logprobs: body.top_logprobs ?? 0,
		top_p: body.top_p ?? 1,
		truncation: body.truncation ?? 'auto',
		usage: output === null ? null : toResponseUsage(output),
	}
}

/** The output of a result, as `toResponse` takes it, in steps. */
export function* toOutput(
	head: ResponseHead,
	{ choices: [choice], promptTokens, cachedTokens }: TextResult,
	completedAt: number,
): Steps<ResponseOutput> {
	const { finishReason, completionTokens } = choice!
	const facts = { finishReason, promptTokens, cachedTokens, completionTokens, completedAt }
	const list = new CallList(head.newId)
	if (forcesCalls(head.body)) {
		list.push(choice!.text)
		const items = list.calls.map((call, i) => toCallItem(call, endStatus(choice!, list, i)))
		return { ...facts, items }
	}
	const parser = head.newParser?.()
	const pieces = parser ? [parser.push(choice!.text), parser.finish()] : [choice!]
	const text = pieces.map((piece) => piece.text).join('')
	for (const piece of pieces) if ('calls' in piece) list.add(piece.calls)
	const calls = list.calls.map((call) => toCallItem(call, 'completed'))
	const isMessage = calls.length === 0 || text.trim() !== ''
	if (!isMessage) return { ...facts, items: calls }
	const logprobs = yield* toResponseLogprobs(choice!.tokens, head)
	const message = toMessage(head.newId('msg_'), { text, logprobs, finishReason })
	return { ...facts, items: [message, ...calls] }
}

/** A finished text as it becomes a message. */
export interface MessageText {
	readonly text: string
	readonly logprobs: ChatLogprob[]
	readonly finishReason: FinishReason
}

export function toMessage(id: string, message: MessageText): OutputMessage {
	return {
		id,
		type: 'message',
		role: 'assistant',
		status: message.finishReason === 'length' ? 'incomplete' : 'completed',
		content: [toOutputText(message)],
	}
}

/** The content part of a message. */
export function toOutputText({
	text,
	logprobs,
}: Pick<MessageText, 'text' | 'logprobs'>): OutputText {
	return { type: 'output_text', text, annotations: [], logprobs }
}

export function toCallItem(call: Call, status: FunctionCallItem['status']): FunctionCallItem {
	const { itemId, callId, name, arguments: json } = call
	return { id: itemId, type: 'function_call', status, call_id: callId, name, arguments: json }
}

/** How a call ended: where the answer was cut, its last call was. */
export function endStatus(
	{ finishReason }: { readonly finishReason: FinishReason },
	{ calls }: CallList,
	index: number,
): 'completed' | 'incomplete' {
	return finishReason === 'length' && index === calls.length - 1 ? 'incomplete' : 'completed'
}

/** Log-probabilities as this endpoint lists them, in steps: always an array, empty unless asked for. */
export function* toResponseLogprobs(
	tokens: readonly ScoredToken[],
	{ logprobsTokenizer }: ResponseHead,
): Steps<ChatLogprob[]> {
	if (logprobsTokenizer === null) return []
	return (yield* toChatLogprobs(tokens, logprobsTokenizer)).content
}

function toResponseUsage({
	promptTokens,
	cachedTokens,
	completionTokens,
}: ResponseOutput): ResponseUsage {
	return {
		input_tokens: promptTokens,
		input_tokens_details: { cached_tokens: cachedTokens, cache_write_tokens: 0 },
		output_tokens: completionTokens,
		output_tokens_details: { reasoning_tokens: 0 },
		total_tokens: promptTokens + completionTokens,
	}
}
