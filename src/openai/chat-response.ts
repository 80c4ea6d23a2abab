/** Text → answers of POST /v1/chat/completions, whole or in chunks. */
import type { FinishReason } from '../engine/generation.ts'
import { finish, type Steps } from '../lib/steps.ts'
import type { TextResult } from '../text/text-events.ts'
import type { ReplyPiece, ToolCallParser } from '../text/tool-call-parser.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { type AnswerHead, headFields, toUsage } from './answer.ts'
import { CallList, type CallPiece } from './call-list.ts'
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
	/** For texts that may have calls in the format of the model's template. Default: they have none. */
	readonly callsWithin?: CallsWithin | null
}

/** How calls within a text are found. */
export interface CallsWithin {
	readonly newId: (prefix: string) => string
	newParser(): ToolCallParser
}

/** The answer in one object, for `jsonText`, in steps. */
export function* toChatCompletion(
	head: AnswerHead,
	result: TextResult,
	{ tokenizer, logprobs, promptLogprobs, promptTokenIds, ...reading }: ChatOptions,
): Steps<ChatCompletion> {
	const completionTokens = result.choices.reduce((sum, c) => sum + c.completionTokens, 0)
	const choices: ChatCompletion['choices'] = []
	for (const [index, choice] of result.choices.entries()) {
		const message = toMessage(choice.text, reading)
		const isOfCalls = reading.newId !== null || message.tool_calls !== undefined
		choices.push({
			index,
			message,
			logprobs: logprobs ? yield* toChatLogprobs(choice.tokens, tokenizer) : null,
			finish_reason: toFinishReason(choice.finishReason, isOfCalls),
			...(promptTokenIds !== null && { token_ids: [...choice.tokenIds] }),
		})
		yield
	}
	return {
		...headFields(head, 'chat.completion'),
		choices,
		...(promptTokenIds !== null && { prompt_token_ids: [...promptTokenIds] }),
		...(promptLogprobs !== null && {
			prompt_logprobs: yield* toPromptLogprobs(result, promptLogprobs, tokenizer),
		}),
		usage: toUsage(result.promptTokens, result.cachedTokens, completionTokens),
	}
}

/** The role comes once per choice, before everything else: clients add up what they get. */
export function chatChunkShape(options: ChatOptions): ChunkShape {
	const { tokenizer, logprobs, newId, promptTokenIds, callsWithin = null } = options
	const deltas =
		newId !== null
			? callDeltas(newId, logprobs)
			: callsWithin !== null
				? mixedDeltas(callsWithin, logprobs)
				: textDeltas
	return {
		object: 'chat.completion.chunk',
		textless: '"delta":{}',
		openingFields: promptTokenIds === null ? '' : `,"prompt_token_ids":[${promptTokenIds}]`,
		tokenIds: (_choice, ids) => (promptTokenIds === null ? '' : `,"token_ids":[${ids}]`),
		tellsStopToken: false,
		logprobs: (_choice, tokens) =>
			logprobs ? JSON.stringify(finish(toChatLogprobs(tokens, tokenizer))) : 'null',
		echo: null,
		...deltas,
	}
}

function toMessage(
	text: string,
	{ newId, callsWithin = null }: Pick<ChatOptions, 'newId' | 'callsWithin'>,
): ChatMessage {
	if (newId !== null) return toCallMessage(text, newId)
	if (callsWithin === null) return { role: 'assistant', content: text, refusal: null }
	const parser = callsWithin.newParser()
	const pieces = [parser.push(text), parser.finish()]
	const list = new CallList(callsWithin.newId)
	for (const { calls } of pieces) list.add(calls)
	const content = pieces.map((piece) => piece.text).join('')
	const calls = toToolCalls(list)
	if (calls.length === 0) return { role: 'assistant', content, refusal: null }
	return {
		role: 'assistant',
		content: content.trim() === '' ? null : content,
		refusal: null,
		tool_calls: calls,
	}
}

function toCallMessage(text: string, newId: (prefix: string) => string): ChatMessage {
	const list = new CallList(newId)
	list.push(text)
	const calls = toToolCalls(list)
	// Clients take an empty list for calls all the same.
	return { role: 'assistant', content: null, refusal: null, ...(calls[0] && { tool_calls: calls }) }
}

function toToolCalls({ calls }: CallList): ToolCall[] {
	return calls.map(({ callId, name, arguments: json }) => ({
		id: callId,
		type: 'function',
		function: { name, arguments: json },
	}))
}

/** A list of calls that was cut off is no list that may be obeyed. */
function toFinishReason(reason: FinishReason, isOfCalls: boolean) {
	return isOfCalls && reason === 'stop' ? 'tool_calls' : reason
}

type Deltas = Pick<ChunkShape, 'opening' | 'text' | 'rest' | 'finishReason'>

const textDeltas: Deltas = {
	rest: () => null,
	finishReason: (reason) => toFinishReason(reason, false),
	opening: '"delta":{"role":"assistant","content":""}',
	text: (text) => `"delta":{"content":${JSON.stringify(text)}}`,
}

/** What stands around the arguments is told by their `index`; with log-probabilities it has chunks too. */
function callDeltas(newId: (prefix: string) => string, logprobs: boolean): Deltas {
	const lists = new Map<number, CallList>()
	return {
		rest: () => null,
		finishReason: (reason) => toFinishReason(reason, true),
		opening: '"delta":{"role":"assistant","content":null}',
		text(text, choice) {
			const list = lists.get(choice) ?? new CallList(newId)
			lists.set(choice, list)
			const deltas = list.push(text).map(toDelta)
			if (deltas.length === 0) return logprobs ? '"delta":{}' : null
			return `"delta":${JSON.stringify({ tool_calls: deltas })}`
		},
	}
}

function toDelta({ index, isNew, call, json }: CallPiece): ToolCallDelta {
	if (!isNew) return { index, function: { arguments: json } }
	const { callId: id, name } = call
	return { index, id, type: 'function', function: { name, arguments: json } }
}

/** Texts and the calls within them. What may become a call is told when it is certain. */
function mixedDeltas({ newId, newParser }: CallsWithin, logprobs: boolean): Deltas {
	const readers = new Map<number, { parser: ToolCallParser; list: CallList }>()
	const readerOf = (choice: number) => {
		const reader = readers.get(choice) ?? { parser: newParser(), list: new CallList(newId) }
		readers.set(choice, reader)
		return reader
	}
	const toFields = ({ text, calls }: ReplyPiece, list: CallList): string | null => {
		const deltas = list.add(calls).map(toDelta)
		if (text === '' && deltas.length === 0) return null
		return `"delta":${JSON.stringify({
			...(text !== '' && { content: text }),
			...(deltas.length > 0 && { tool_calls: deltas }),
		})}`
	}
	return {
		opening: textDeltas.opening,
		text(text, choice) {
			const { parser, list } = readerOf(choice)
			return toFields(parser.push(text), list) ?? (logprobs ? '"delta":{}' : null)
		},
		rest(choice) {
			const { parser, list } = readerOf(choice)
			return toFields(parser.finish(), list)
		},
		finishReason: (reason, choice) =>
			toFinishReason(reason, readerOf(choice).list.calls.length > 0),
	}
}
