/** Text → answers of POST /v1/chat/completions, whole or in chunks. */

import type { TextResult } from '../text/text-events.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { type AnswerHead, headFields, toUsage } from './answer.ts'
import type { ChunkShape } from './chunk-stream.ts'
import { toChatLogprobs, toPromptLogprobs } from './logprobs.ts'
import type { ChatCompletion } from './schemas/chat.ts'

/** Which log-probabilities the request wants. */
export interface ChatScores {
	readonly tokenizer: Tokenizer
	/** Those of the answer. */
	readonly logprobs: boolean
	/** Alternatives per token of the prompt; null = those are not wanted. */
	readonly promptLogprobs: number | null
}

/** The answer in one object, for `jsonText`. */
export function toChatCompletion(
	head: AnswerHead,
	result: TextResult,
	{ tokenizer, logprobs, promptLogprobs }: ChatScores,
): ChatCompletion {
	const completionTokens = result.choices.reduce((sum, c) => sum + c.completionTokens, 0)
	return {
		...headFields(head, 'chat.completion'),
		choices: result.choices.map((choice, index) => ({
			index,
			message: { role: 'assistant', content: choice.text, refusal: null },
			logprobs: logprobs ? toChatLogprobs(choice.tokens, tokenizer) : null,
			finish_reason: choice.finishReason,
		})),
		...(promptLogprobs !== null && {
			prompt_logprobs: toPromptLogprobs(result, promptLogprobs, tokenizer),
		}),
		usage: toUsage(result.promptTokens, result.cachedTokens, completionTokens),
	}
}

/**
 * Chunks; `tokenizer` is null when no log-probabilities were asked for. The role comes once per
 * choice, before everything else: clients add up what they get.
 */
export function chatChunkShape(tokenizer: Tokenizer | null): ChunkShape {
	return {
		object: 'chat.completion.chunk',
		opening: '"delta":{"role":"assistant","content":""}',
		text: (text) => `"delta":{"content":${JSON.stringify(text)}}`,
		finish: '"delta":{}',
		tellsStopToken: false,
		logprobs: (_choice, tokens) =>
			tokenizer === null ? 'null' : JSON.stringify(toChatLogprobs(tokens, tokenizer)),
		echo: () => null,
	}
}
