/** What passes between the wire dialects and the loop that turns tokens into text. Types only. */

import type { FinishReason, TokenLogprob } from '../engine/generation.ts'

/** A generated token with its log-probability. */
export interface ScoredToken {
	readonly tokenId: number
	readonly logprob: TokenLogprob
	/** Where its text starts in the choice's text, in UTF-16 units. */
	readonly offset: number
}

/** First event of a prompt: it has been read. */
export interface PromptEvent {
	readonly type: 'prompt'
	/** First choice of the prompt. */
	readonly choice: number
	readonly promptTokens: number
	readonly cachedTokens: number
	/** Per prompt token when asked; the first is null. */
	readonly logprobs: readonly (TokenLogprob | null)[] | null
}

export type TextEvent =
	| PromptEvent
	| {
			readonly type: 'text'
			readonly choice: number
			readonly text: string
			/** Tokens whose text is complete with this event; empty unless log-probabilities were asked for. */
			readonly tokens: readonly ScoredToken[]
	  }
	| {
			/** Last event of a choice. */
			readonly type: 'finish'
			readonly choice: number
			readonly finishReason: FinishReason
			readonly completionTokens: number
	  }

/** One finished choice of an answer that is not streamed. */
export interface TextChoice {
	readonly text: string
	readonly tokens: readonly ScoredToken[]
	readonly finishReason: FinishReason
	readonly completionTokens: number
}

/** A whole answer. */
export interface TextResult {
	readonly promptTokens: number
	readonly cachedTokens: number
	readonly promptLogprobs: readonly (TokenLogprob | null)[] | null
	readonly choices: readonly TextChoice[]
}
