/**
 * What the wire dialects and the engine say to each other. Token ids only: text, JSON and HTTP end
 * at this file. All values are validated before they get here.
 */
import type { TokenState } from './token-state.ts'

/** How the next token is drawn. Order: penalties, bias, temperature, top-k, top-p, min-p, draw. */
export interface SamplingParams {
	/** 0 = arg-max, ties to the lowest id. */
	readonly temperature: number
	/** Keep the k largest logits; 0 = off. */
	readonly topK: number
	/** Keep the smallest set with this probability mass; 1 = off. */
	readonly topP: number
	/** Keep tokens with p >= minP * pMax; 0 = off. */
	readonly minP: number
	/** Divides positive and multiplies negative logits of tokens in prompt and output; 1 = off. */
	readonly repetitionPenalty: number
	/** Subtracted once from each token already generated; 0 = off. */
	readonly presencePenalty: number
	/** Subtracted per occurrence among the generated tokens; 0 = off. */
	readonly frequencyPenalty: number
	/** Added to the logits of these tokens. */
	readonly logitBias: readonly (readonly [tokenId: number, bias: number])[]
	/** Any integer in the safe range; with the choice index it determines every draw. */
	readonly seed: number
}

/** One prompt, `n` continuations. */
export interface GenerationRequest {
	/** Never empty: an empty prompt has become the tokenizer's start token (see `promptIsStartToken`). */
	readonly promptTokenIds: readonly number[]
	/** The prompt is only the start token, which is neither text nor counted in usage. */
	readonly promptIsStartToken: boolean
	/** Number of choices that share the prompt. */
	readonly n: number
	/** Most tokens to generate per choice; 0 only scores the prompt. */
	readonly maxTokens: number
	readonly sampling: SamplingParams
	/** Ids that end a choice with `stop`; the id itself comes with the finish event only. */
	readonly stopTokenIds: readonly number[]
	/** Stop ids are not honoured (their logit is masked) before this many tokens. */
	readonly minTokens: number
	/** Alternatives to report per generated token; null = no log-probabilities. */
	readonly logprobs: number | null
	/** Alternatives to report per prompt token; null = the prompt is not scored. */
	readonly promptLogprobs: number | null
	/** `auto`: keep the prompt's end and roll the window; `disabled`: refuse, and stop at the context's end. */
	readonly truncation: 'auto' | 'disabled'
	/** Requests share cached prefixes with those of the same salt only; an integer from 0 on. */
	readonly cacheSalt: number
	/** No draw before `Generation.moveTo` has said where the choice is: constrained decoding. */
	readonly constrained: boolean
}

/** Tokens of a prompt that the context has room for: all of it, unless a token shall follow. */
export function readableTokens(contextLength: number, maxTokens: number): number {
	return maxTokens === 0 ? contextLength : contextLength - 1
}

/** Most alternatives that a request can ask for per token. */
export const TOP_LOGPROBS_MAX = 20

/** Natural-log probabilities of the raw distribution (before penalties and filters). */
export interface TokenLogprob {
	readonly logprob: number
	/** Place of the token among all, from 1; of equally likely ones the lowest id comes first. */
	readonly rank: number
	/** Most likely alternatives, best first, ties to the lowest id. */
	readonly top: readonly (readonly [tokenId: number, logprob: number])[]
}

export type FinishReason = 'stop' | 'length'

/** A drawn stop token, which is no part of the text. */
export interface StopToken {
	readonly tokenId: number
	/** Null unless log-probabilities were asked for. */
	readonly logprob: TokenLogprob | null
}

export type TokenEvent =
	| {
			/** First event, once: the prompt has been read. */
			readonly type: 'prompt'
			/** Prompt tokens that the model read (after truncation, without a start token). */
			readonly promptTokens: number
			/** How many of them came from the prefix cache. */
			readonly cachedTokens: number
			/** Per prompt token when asked; the first is null (nothing precedes it). */
			readonly logprobs?: readonly (TokenLogprob | null)[]
	  }
	| {
			readonly type: 'token'
			readonly choice: number
			readonly tokenId: number
			readonly logprob?: TokenLogprob
	  }
	| {
			readonly type: 'finish'
			readonly choice: number
			readonly finishReason: FinishReason
			/** The id of `stopTokenIds` that ended the choice, if one did. */
			readonly stopToken?: StopToken
	  }

/** A running request. Iterate it once; leaving the loop early aborts whatever still runs. */
export interface Generation extends AsyncIterable<TokenEvent> {
	/** Events that are ready now, without waiting, of some kilobytes; lets a writer send several tokens at once. */
	takeReady(): TokenEvent[]
	/** Ends one choice early (its stop string was found); no further events for it. */
	stopChoice(choice: number): void
	/** Constrained decoding: where the choice is, at its start and after each token. The engine may be further. */
	moveTo(choice: number, state: TokenState): void
	/** Ends all choices and frees their memory before the engine's next step. */
	abort(): void
}
