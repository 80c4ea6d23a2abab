/** Text → answers of POST /v1/chat/completions, whole or in chunks. */
import type { FinishReason } from '../engine/generation.ts'
import type { TextResult } from '../text/text-events.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { type AnswerHead, headFields, toUsage } from './answer.ts'
import { CallList } from './call-list.ts'
import type { ChunkShape } from './chunk-stream.ts'
import { toChatLogprobs, toPromptLogprobs } from './logprobs.ts'
import type { ChatCompletion, ChatMessage } from './schemas/chat.ts'
import type { ToolCall, ToolCallDelta } from './schemas/tools.ts'

/** How the request wants its choices. */
export interface ChatOptions {
	readonly tokenizer: Tokenizer
	/** Log-probabilities of the answer. */
	readonly logprobs: boolean
	/** Alternatives per token of the prompt; null = those are not wanted. */
	readonly promptLogprobs: number | null
	/** Tokens of the prompt, told like those of the answer; null = ids are not wanted. */
	readonly promptTokenIds: readonly number[] | null
	/** Makes the ids of calls where choices consist of calls; null where they are texts. */
	readonly newId: ((prefix: string) => string) | null
}

/** The answer in one object, for `jsonText`. */
export function toChatCompletion(
	head: AnswerHead,
	result: TextResult,
	{ tokenizer, logprobs, promptLogprobs, promptTokenIds, newId }: ChatOptions,
): ChatCompletion {
	const completionTokens = result.choices.reduce((sum, c) => sum + c.completionTokens, 0)
	return {
		...headFields(head, 'chat.completion'),
		choices: result.choices.map((choice, index) => ({
			index,
			message: newId === null ? toMessage(choice.text) : toCallMessage(choice.text, newId),
			logprobs: logprobs ? toChatLogprobs(choice.tokens, tokenizer) : null,
			finish_reason: toFinishReason(choice.finishReason, newId !== null),
			...(promptTokenIds !== null && { token_ids: [...choice.tokenIds] }),
		})),
		...(promptTokenIds !== null && { prompt_token_ids: [...promptTokenIds] }),
		...(promptLogprobs !== null && {
			prompt_logprobs: toPromptLogprobs(result, promptLogprobs, tokenizer),
		}),
		usage: toUsage(result.promptTokens, result.cachedTokens, completionTokens),
	}
}

/** The role comes once per choice, before everything else: clients add up what they get. */
export function chatChunkShape(options: ChatOptions): ChunkShape {
	const { tokenizer, logprobs, newId, promptTokenIds } = options
	return {
		object: 'chat.completion.chunk',
		textless: '"delta":{}',
		openingFields: promptTokenIds === null ? '' : `,"prompt_token_ids":[${promptTokenIds}]`,
		tokenIds: (_choice, ids) => (promptTokenIds === null ? '' : `,"token_ids":[${ids}]`),
		finishReason: (reason) => toFinishReason(reason, newId !== null),
		tellsStopToken: false,
		logprobs: (_choice, tokens) =>
			logprobs ? JSON.stringify(toChatLogprobs(tokens, tokenizer)) : 'null',
		echo: () => null,
		...(newId === null ? textDeltas : callDeltas(newId, logprobs)),
	}
}

function toMessage(text: string): ChatMessage {
	return { role: 'assistant', content: text, refusal: null }
}

function toCallMessage(text: string, newId: (prefix: string) => string): ChatMessage {
	const list = new CallList(newId)
	list.push(text)
	const calls = list.calls.map(
		({ callId, name, arguments: json }): ToolCall => ({
			id: callId,
			type: 'function',
			function: { name, arguments: json },
		}),
	)
	// Clients take an empty list for calls all the same.
	return { role: 'assistant', content: null, refusal: null, ...(calls[0] && { tool_calls: calls }) }
}

/** A list of calls that was cut off is no list that may be obeyed. */
function toFinishReason(reason: FinishReason, isOfCalls: boolean) {
	return isOfCalls && reason === 'stop' ? 'tool_calls' : reason
}

const textDeltas: Pick<ChunkShape, 'opening' | 'text'> = {
	opening: '"delta":{"role":"assistant","content":""}',
	text: (text) => `"delta":{"content":${JSON.stringify(text)}}`,
}

/** What stands around the arguments is told by their `index`; with log-probabilities it has chunks too. */
function callDeltas(
	newId: (prefix: string) => string,
	logprobs: boolean,
): Pick<ChunkShape, 'opening' | 'text'> {
	const lists = new Map<number, CallList>()
	return {
		opening: '"delta":{"role":"assistant","content":null}',
		text(text, choice) {
			const list = lists.get(choice) ?? new CallList(newId)
			lists.set(choice, list)
			const deltas = list.push(text).map(({ index, isNew, call, json }): ToolCallDelta => {
				if (!isNew) return { index, function: { arguments: json } }
				const { callId: id, name } = call
				return { index, id, type: 'function', function: { name, arguments: json } }
			})
			if (deltas.length === 0) return logprobs ? '"delta":{}' : null
			return `"delta":${JSON.stringify({ tool_calls: deltas })}`
		},
	}
}
