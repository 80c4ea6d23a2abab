/** What passes between the wire dialects and the loop that turns tokens into text. Types only. */

import type { FinishReason, StopToken, TokenLogprob } from '../engine/generation.ts'

/** A generated token with its log-probability. */
export interface ScoredToken {
	readonly tokenId: number
	readonly logprob: TokenLogprob
	/** Where its text starts in the choice's text, in code points. */
	readonly offset: number
	/** Its text is written behind a word (`Tokenizer.tokenText`). */
	readonly isAfterWord: boolean
}

/** A drawn stop token and the end of the choice's text, in code points. */
export interface StopTokenAt extends StopToken {
	readonly offset: number
	readonly isAfterWord: boolean
}

/** First event of a prompt: it has been read. */
export interface PromptEvent {
	readonly type: 'prompt'
	/** First choice of the prompt. */
	readonly choice: number
	readonly promptTokens: number
	readonly cachedTokens: number
	/** Per prompt token that the model read, when asked; the first is null. */
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
			/** All tokens that were drawn since the event before of this choice. */
			readonly tokenIds: readonly number[]
	  }
	| {
			/** Last event of a choice. */
			readonly type: 'finish'
			readonly choice: number
			readonly finishReason: FinishReason
			/** Without the stop token. */
			readonly completionTokens: number
			/** The rest of the tokens that were drawn, a stop token the last of them. */
			readonly tokenIds: readonly number[]
			/** The token that ended the choice and is no part of its text; null = something else did. */
			readonly stopToken: StopTokenAt | null
	  }

/** One finished choice of an answer that is not streamed. */
export interface TextChoice {
	readonly text: string
	readonly tokens: readonly ScoredToken[]
	/** All tokens that were drawn, a stop token the last of them. */
	readonly tokenIds: readonly number[]
	readonly finishReason: FinishReason
	/** Without the stop token. */
	readonly completionTokens: number
	readonly stopToken: StopTokenAt | null
}

/** A whole answer. */
export interface TextResult {
	/** All of the prompt, also what the model did not read; without a start token. */
	readonly promptTokenIds: readonly number[]
	readonly promptTokens: number
	readonly cachedTokens: number
	/** As in the prompt event. */
	readonly promptLogprobs: readonly (TokenLogprob | null)[] | null
	readonly choices: readonly TextChoice[]
}
