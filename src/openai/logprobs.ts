/** Log-probabilities in the two shapes of /v1. */
import type { TokenLogprob } from '../engine/generation.ts'
import type { ScoredToken } from '../text/text-events.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { ChatLogprob } from './schemas/chat.ts'
import type { CompletionLogprobs } from './schemas/completions.ts'

/** JSON has no -Infinity. */
const logprobMin = -9999

const utf8 = new TextEncoder()

/** `logprobs` of a chat choice or chunk. */
export function toChatLogprobs(
	tokens: readonly ScoredToken[],
	tokenizer: Tokenizer,
): { content: ChatLogprob[]; refusal: null } {
	const entry = (tokenId: number, logprob: number) => {
		const token = tokenizer.tokenText(tokenId)
		return { token, logprob: toFinite(logprob), bytes: [...utf8.encode(token)] }
	}
	const content = tokens.map(({ tokenId, logprob }) => ({
		...entry(tokenId, logprob.logprob),
		top_logprobs: logprob.top.map(([id, value]) => entry(id, value)),
	}))
	return { content, refusal: null }
}

/** A token of a completion, which may belong to an echoed prompt; the first has no probability. */
export interface CompletionToken {
	readonly tokenId: number
	readonly logprob: TokenLogprob | null
	/** Where its text starts in the completion's text, in UTF-16 units. */
	readonly offset: number
}

/** `logprobs` of a completion or of a chunk of one. */
export function toCompletionLogprobs(
	tokens: readonly CompletionToken[],
	tokenizer: Tokenizer,
): CompletionLogprobs {
	return {
		tokens: tokens.map(({ tokenId }) => tokenizer.tokenText(tokenId)),
		token_logprobs: tokens.map(({ logprob }) => logprob && toFinite(logprob.logprob)),
		top_logprobs: tokens.map((token) => token.logprob && toTopMap(token, tokenizer)),
		text_offset: tokens.map(({ offset }) => offset),
	}
}

/** Alternatives by text, and the token itself if it is not among them. */
function toTopMap({ tokenId, logprob }: CompletionToken, tokenizer: Tokenizer) {
	const own = [tokenId, logprob?.logprob ?? logprobMin] as const
	const entries = [own, ...(logprob?.top ?? [])].map(
		([id, value]) => [tokenizer.tokenText(id), toFinite(value)] as const,
	)
	return Object.fromEntries(entries)
}

function toFinite(logprob: number): number {
	return Math.max(logprob, logprobMin)
}
