/** Text → answers of POST /v1/chat/completions, whole or in chunks. */

import type { TextResult } from '../text/text-events.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { type AnswerHead, headFields, toUsage } from './answer.ts'
import type { ChunkShape } from './chunk-stream.ts'
import { toChatLogprobs } from './logprobs.ts'
import type { ChatCompletion } from './schemas/chat.ts'

/** The answer in one object. `tokenizer` is null when no log-probabilities were asked for. */
export function toChatCompletion(
	head: AnswerHead,
	result: TextResult,
	tokenizer: Tokenizer | null,
): ChatCompletion {
	const completionTokens = result.choices.reduce((sum, c) => sum + c.completionTokens, 0)
	return {
		...headFields(head, 'chat.completion'),
		choices: result.choices.map((choice, index) => ({
			index,
			message: { role: 'assistant', content: choice.text, refusal: null },
			logprobs: tokenizer && toChatLogprobs(choice.tokens, tokenizer),
			finish_reason: choice.finishReason,
		})),
		usage: toUsage(result.promptTokens, result.cachedTokens, completionTokens),
	}
}

/** The role comes once per choice, before everything else: clients add up what they get. */
export function chatChunkShape(tokenizer: Tokenizer | null): ChunkShape {
	return {
		object: 'chat.completion.chunk',
		opening: '"delta":{"role":"assistant","content":""}',
		text: (text) => `"delta":{"content":${JSON.stringify(text)}}`,
		finish: '"delta":{}',
		logprobs: (_choice, tokens) =>
			tokenizer === null ? 'null' : JSON.stringify(toChatLogprobs(tokens, tokenizer)),
		echo: () => null,
	}
}
