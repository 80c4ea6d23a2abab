/** Log-probabilities in the two shapes of /v1. */
import type { TokenLogprob } from '../engine/generation.ts'
import type { Steps } from '../lib/steps.ts'
import type { ScoredToken, TextResult } from '../text/text-events.ts'
import { tokenLabel } from '../text/token-label.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { ChatLogprob } from './schemas/chat.ts'
import type { CompletionLogprobs } from './schemas/completions.ts'
import type { PromptLogprobs } from './schemas/prompt-logprobs.ts'

/** JSON has no -Infinity. */
const logprobMin = -9999

const utf8 = new TextEncoder()

/** Tokens that are looked at in one step. */
export const TOKENS_PER_STEP = 64

/** `logprobs` of a chat choice or chunk, in steps. */
export function* toChatLogprobs(
	tokens: readonly ScoredToken[],
	tokenizer: Tokenizer,
): Steps<{ content: ChatLogprob[]; refusal: null }> {
	const toContent = ({ tokenId, logprob, isAfterWord }: ScoredToken) => {
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
	}
	const content: ChatLogprob[] = []
	for (const token of tokens) {
		content.push(toContent(token))
		if (content.length % TOKENS_PER_STEP === 0) yield
	}
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

/** `logprobs` of a completion or of a chunk of one, in steps. */
export function* toCompletionLogprobs(
	tokens: readonly CompletionToken[],
	tokenizer: Tokenizer,
): Steps<CompletionLogprobs> {
	const top: (Map<string, number> | null)[] = []
	const labels: string[] = []
	for (const [i, token] of tokens.entries()) {
		const { tokenId, logprob, isAfterWord } = token
		labels.push(tokenLabel(tokenizer, tokenId, isAfterWord))
		top.push(logprob && toTopMap(token, logprob, tokenizer))
		if (i % TOKENS_PER_STEP === TOKENS_PER_STEP - 1) yield
	}
	return {
		tokens: labels,
		token_logprobs: tokens.map(({ logprob }) => logprob && toFinite(logprob.logprob)),
		top_logprobs: top,
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

/** `prompt_logprobs`: for each token of the prompt that has a probability, id → facts, best first. In steps. */
export function* toPromptLogprobs(
	{ promptTokenIds, promptLogprobs }: Pick<TextResult, 'promptTokenIds' | 'promptLogprobs'>,
	alternatives: number,
	tokenizer: Tokenizer,
): Steps<PromptLogprobs> {
	const firstRead = promptTokenIds.length - (promptLogprobs?.length ?? 0)
	const factsOf = (tokenId: number, logprob: TokenLogprob) => {
		const facts = ranked(tokenId, withTop(logprob, alternatives)).map(([id, value], place) => {
			const rank = id === tokenId ? logprob.rank : place + 1
			const fact = { logprob: toFinite(value), rank, decoded_token: tokenLabel(tokenizer, id) }
			return [String(id), fact] as const
		})
		return new Map(facts)
	}
	const list: PromptLogprobs = []
	for (const [i, tokenId] of promptTokenIds.entries()) {
		const logprob = promptLogprobs?.[i - firstRead] ?? null
		list.push(logprob && factsOf(tokenId, logprob))
		if (i % TOKENS_PER_STEP === TOKENS_PER_STEP - 1) yield
	}
	return list
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
