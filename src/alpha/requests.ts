/** Bodies and queries of the /api endpoints → generations. Throws ApiError 400. */
import { greedySampling, plainRequest } from '../engine/plain-request.ts'
import { type ChatMessage, endTokenIds, renderChat } from '../text/chat-template.ts'
import { endOfMessages, endOfText, promptOrStart } from '../text/prompt.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import {
	generateMaxTokensDefault,
	generateTemperatureDefault,
	generateTokensMax,
	streamTemperatureDefault,
	streamTokensDefault,
	streamTokensMax,
	topKDefault,
} from './limits.ts'
import type { ChatRequest } from './schemas/chat.ts'
import type { GenerateRequest } from './schemas/generate.ts'
import type { InferenceQuery } from './schemas/inference.ts'

/** What a request is read against. */
export interface AlphaContext {
	readonly tokenizer: Tokenizer
	/** Used when the request names none. */
	readonly seed: number
}

/** POST and GET /api/generate. */
export function toGenerateTextRequest(request: GenerateRequest, { tokenizer, seed }: AlphaContext) {
	return textRequest(tokenizer, {
		promptTokenIds: tokenizer.encode(endOfText(request.prompt)),
		stopTokenIds: endTokenIds(tokenizer),
		maxTokens: Math.min(request.max_tokens ?? generateMaxTokensDefault, generateTokensMax),
		temperature: request.temperature ?? generateTemperatureDefault,
		topK: topKDefault,
		seed: request.seed ?? seed,
	})
}

/** GET /api/inference. */
export function toInferenceTextRequest(query: InferenceQuery, { tokenizer, seed }: AlphaContext) {
	return textRequest(tokenizer, {
		promptTokenIds: tokenizer.encode(endOfText(query.query ?? '')),
		stopTokenIds: endTokenIds(tokenizer),
		maxTokens: Math.min(query.steps ?? streamTokensDefault, streamTokensMax),
		temperature: query.temp ?? streamTemperatureDefault,
		topK: query.topk ?? topKDefault,
		seed: query.seed ?? seed,
	})
}

/** POST /api/chat. */
export function toChatTextRequest(
	body: ChatRequest,
	messages: readonly ChatMessage[],
	{ tokenizer, seed }: AlphaContext,
) {
	const chat = renderChat(endOfMessages(messages), tokenizer)
	const request = textRequest(tokenizer, {
		promptTokenIds: chat.tokenIds,
		stopTokenIds: chat.stopTokenIds,
		maxTokens: Math.min(body.maxTokens ?? streamTokensDefault, streamTokensMax),
		temperature: body.temperature ?? streamTemperatureDefault,
		topK: body.topk ?? topKDefault,
		seed: body.seed ?? seed,
	})
	return { ...request, skipsLeadingBlank: chat.skipsLeadingBlank }
}

interface TextSettings {
	readonly promptTokenIds: readonly number[]
	readonly stopTokenIds: readonly number[]
	readonly maxTokens: number
	readonly temperature: number
	readonly topK: number
	readonly seed: number
}

function textRequest(tokenizer: Tokenizer, settings: TextSettings) {
	const { promptTokenIds, temperature, topK, seed, stopTokenIds, maxTokens } = settings
	const generation = plainRequest({
		...promptOrStart(promptTokenIds, tokenizer.startTokenId),
		maxTokens,
		sampling: { ...greedySampling, temperature, topK, seed },
		stopTokenIds,
	})
	return { generation, stop: [], includeStop: false, skipsLeadingBlank: false, constraint: null }
}
