/** Bodies and queries of the /api endpoints → generations. */
import { isRecord } from '../lib/json.ts'
import type { ChatMessage } from '../text/chat-message.ts'
import { textPrompt } from '../text/prompt.ts'
import { type TextRequest, textRequest } from '../text/text-request.ts'
import { promptOfChat } from '../wire/chat-prompt.ts'
import { belowMin } from '../wire/errors.ts'
import { completionTokensMax, topKDefault } from '../wire/limits.ts'
import { refuseUnlessEmpty } from '../wire/refusals.ts'
import type { RequestContext } from '../wire/request-fields.ts'
import {
	generateMaxTokensDefault,
	generateTemperatureDefault,
	streamTemperatureDefault,
	streamTokensDefault,
	streamTokensMax,
} from './limits.ts'
import type { ApiChatRequest, UiMessage } from './schemas/chat.ts'
import type { DrawFields } from './schemas/fields.ts'
import type { GenerateRequest } from './schemas/generate.ts'
import type { InferenceQuery } from './schemas/inference.ts'

/**
 * POST and GET /api/generate. As the first server had it, the answer is a text of its own, also where
 * it continues a word: whoever joins it to the prompt of a word model adds the blank.
 */
export async function toGenerateTextRequest(
	request: GenerateRequest,
	{ tokenizer, seed }: Omit<RequestContext, 'vocabSize'>,
): Promise<TextRequest> {
	refuseFormats(request)
	if (request.max_tokens === 0) throw belowMin('max_tokens', 1, 0, 'integer')
	const prompt = { ...(await textPrompt(request.prompt, tokenizer)), textBefore: '' }
	return textRequest(prompt, tokenizer, {
		maxTokens: Math.min(request.max_tokens ?? generateMaxTokensDefault, completionTokensMax),
		sampling: {
			temperature: request.temperature ?? generateTemperatureDefault,
			...toDraw(request),
			seed: request.seed ?? seed,
		},
	})
}

/** GET /api/inference. */
export async function toInferenceTextRequest(
	query: InferenceQuery,
	{ tokenizer, seed }: Omit<RequestContext, 'vocabSize'>,
): Promise<TextRequest> {
	refuseFormats(query)
	const prompt = await textPrompt(query.query ?? '', tokenizer)
	return textRequest(prompt, tokenizer, {
		maxTokens: Math.min(query.steps ?? streamTokensDefault, streamTokensMax),
		sampling: {
			temperature: query.temp ?? streamTemperatureDefault,
			...toDraw(query),
			seed: query.seed ?? seed,
		},
	})
}

/** POST /api/chat. */
export async function toApiChatTextRequest(
	body: ApiChatRequest,
	{ tokenizer, seed }: Omit<RequestContext, 'vocabSize'>,
): Promise<TextRequest> {
	refuseFormats(body)
	const messages = fromUiMessages(body.messages)
	const prompt = await promptOfChat(messages, tokenizer, { param: 'messages' })
	return textRequest(prompt, tokenizer, {
		maxTokens: Math.min(body.maxTokens ?? streamTokensDefault, streamTokensMax),
		sampling: {
			temperature: body.temperature ?? streamTemperatureDefault,
			...toDraw(body),
			seed: body.seed ?? seed,
		},
	})
}

/** What other servers hold a text to; here /v1 does. */
const FORMAT_FIELDS = [
	'format',
	'json_schema',
	'guided_json',
	'guided_choice',
	'guided_regex',
	'regex',
	'structured_outputs',
	'guided_grammar',
	'structural_tag',
	'grammar',
	'ebnf',
	'bad_words',
	'use_beam_search',
	'allowed_token_ids',
]

/** A text that ignores its format would pass for one that has it. Throws ApiError 400. */
function refuseFormats(fields: Readonly<Record<string, unknown>>): void {
	for (const name of FORMAT_FIELDS) refuseUnlessEmpty(name, fields[name])
	const format = fields['response_format']
	if (!isRecord(format) || format['type'] !== 'text') refuseUnlessEmpty('response_format', format)
}

/** The aliases first: they have no default that could hide the other spelling. */
function toDraw({ topk, top_k, topp, top_p }: DrawFields): { topK: number; topP: number } {
	return { topK: top_k ?? topk ?? topKDefault, topP: top_p ?? topp ?? 1 }
}

/**
 * Messages of useChat, old and new. A message has `content` (older SDKs, plain clients), or `parts`
 * of which the texts count. Where both are given, `content` is the message and `parts` repeats it.
 */
export function fromUiMessages(messages: readonly UiMessage[]): ChatMessage[] {
	return messages.map(({ role, content, parts }) => {
		if (typeof content === 'string') return { role, content }
		const texts = (content ?? parts ?? []).map((part) =>
			part.type === 'text' ? (part.text ?? '') : '',
		)
		return { role, content: texts.join('') }
	})
}
