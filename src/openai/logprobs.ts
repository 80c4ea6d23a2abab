/** Log-probabilities in the two shapes of /v1. */
import type { TokenLogprob } from '../engine/generation.ts'
import type { ScoredToken, TextResult } from '../text/text-events.ts'
import { tokenLabel } from '../text/token-label.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { ChatLogprob } from './schemas/chat.ts'
import type { CompletionLogprobs } from './schemas/completions.ts'
import type { PromptLogprobs } from './schemas/prompt-logprobs.ts'

/** JSON has no -Infinity. */
const logprobMin = -9999

const utf8 = new TextEncoder()

/** `logprobs` of a chat choice or chunk. */
export function toChatLogprobs(
	tokens: readonly ScoredToken[],
	tokenizer: Tokenizer,
): { content: ChatLogprob[]; refusal: null } {
	const content = tokens.map(({ tokenId, logprob, isAfterWord }) => {
		const entry = (id: number, value: number) => {
			const text = tokenizer.tokenText(id, isAfterWord)
			const bytes = text === '' ? tokenizer.tokenBytes(id) : utf8.encode(text)
			const token = tokenLabel(tokenizer, id, isAfterWord)
			return { token, logprob: toFinite(value), bytes: [...bytes] }
		}
		return {
			...entry(tokenId, logprob.logprob),
			top_logprobs: logprob.top.map(([id, value]) => entry(id, value)),
		}
	})
	return { content, refusal: null }
}

/** A token of a completion, which may belong to an echoed prompt; the first has no probability. */
export interface CompletionToken {
	readonly tokenId: number
	readonly logprob: TokenLogprob | null
	/** Where its text starts in the completion's text, in code points. */
	readonly offset: number
	/** Its text, and that of its alternatives, is written behind a word (`Tokenizer.tokenText`). */
	readonly isAfterWord: boolean
}

/** `logprobs` of a completion or of a chunk of one. */
export function toCompletionLogprobs(
	tokens: readonly CompletionToken[],
	tokenizer: Tokenizer,
): CompletionLogprobs {
	return {
		tokens: tokens.map(({ tokenId, isAfterWord }) => tokenLabel(tokenizer, tokenId, isAfterWord)),
		token_logprobs: tokens.map(({ logprob }) => logprob && toFinite(logprob.logprob)),
		top_logprobs: tokens.map((token) => token.logprob && toTopMap(token, token.logprob, tokenizer)),
		text_offset: tokens.map(({ offset }) => offset),
	}
}

/** Alternatives by text, best first; of tokens with one text the best counts. */
function toTopMap(
	{ tokenId, isAfterWord }: CompletionToken,
	logprob: TokenLogprob,
	tokenizer: Tokenizer,
): Map<string, number> {
	const byText = new Map<string, number>()
	for (const [id, value] of ranked(tokenId, logprob)) {
		const text = tokenLabel(tokenizer, id, isAfterWord)
		if (!byText.has(text)) byText.set(text, toFinite(value))
	}
	return byText
}

/** `prompt_logprobs`: for each token of the prompt that has a probability, id → facts, best first. */
export function toPromptLogprobs(
	{ promptTokenIds, promptLogprobs }: Pick<TextResult, 'promptTokenIds' | 'promptLogprobs'>,
	alternatives: number,
	tokenizer: Tokenizer,
): PromptLogprobs {
	const firstRead = promptTokenIds.length - (promptLogprobs?.length ?? 0)
	return promptTokenIds.map((tokenId, i) => {
		const logprob = promptLogprobs?.[i - firstRead] ?? null
		if (logprob === null) return null
		const facts = ranked(tokenId, withTop(logprob, alternatives)).map(([id, value], place) => {
			const rank = id === tokenId ? logprob.rank : place + 1
			const fact = { logprob: toFinite(value), rank, decoded_token: tokenLabel(tokenizer, id) }
			return [String(id), fact] as const
		})
		return new Map(facts)
	})
}

/** The same with that many of its alternatives. */
export function withTop(logprob: TokenLogprob, alternatives: number): TokenLogprob {
	return { ...logprob, top: logprob.top.slice(0, alternatives) }
}

/** The alternatives, best first, and behind them the token itself if its rank is beyond theirs. */
function ranked(tokenId: number, { logprob, top }: TokenLogprob): TokenLogprob['top'] {
	return top.some(([id]) => id === tokenId) ? top : [...top, [tokenId, logprob]]
}

function toFinite(logprob: number): number {
	return Math.max(logprob, logprobMin)
}
