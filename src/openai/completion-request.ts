import { encodeTexts } from '../text/encode.ts'
import { endOfText, tokenPrompt } from '../text/prompt.ts'
import { type TextRequest, textRequest } from '../text/text-request.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { aboveMax, belowMin, invalidValue, unsupportedParameter } from '../wire/errors.ts'
import type { RequestContext } from '../wire/request-fields.ts'
import {
	legacyMaxTokensDefault,
	legacyTemperatureDefault,
	promptsCharactersMax,
	promptsTokensMax,
	sequencesMax,
} from './limits.ts'
import { toConstraint } from './response-format.ts'
import {
	checkTokenIds,
	clampMaxTokens,
	toPromptLogprobsCount,
	toSampling,
	toStop,
	toStopTokenIds,
} from './sampling.ts'
import type { CompletionRequest } from './schemas/completions.ts'

/** A prompt in both of its forms. */
export interface CompletionPrompt {
	readonly text: string
	readonly tokenIds: readonly number[]
	/** How many of the ids the tokenizer has put before the text. */
	readonly prefixTokens: number
}

/** What prompts are read against. */
export interface PromptContext extends Pick<RequestContext, 'tokenizer' | 'vocabSize'> {
	/** Name of their field. */
	readonly param: string
}

/** Prompts in any of their forms. Throws ApiError 400 for ids that the model does not have. */
export async function toPrompts(
	prompt: CompletionRequest['prompt'],
	{ tokenizer, vocabSize, param }: PromptContext,
): Promise<CompletionPrompt[]> {
	if (typeof prompt === 'string') return fromTexts([prompt], tokenizer)
	if (isTexts(prompt)) {
		const characters = prompt.reduce((sum, text) => sum + text.length, 0)
		if (characters > promptsCharactersMax) {
			throw invalidValue(param, `at most ${promptsCharactersMax} characters`, characters)
		}
		return fromTexts(prompt, tokenizer)
	}
	const lists = isIds(prompt) ? [prompt] : prompt
	const tokens = lists.reduce((sum, { length }) => sum + length, 0)
	if (tokens > promptsTokensMax) {
		throw invalidValue(param, `at most ${promptsTokensMax} token ids`, tokens)
	}
	return lists.map((tokenIds) => {
		checkTokenIds(tokenIds, param, vocabSize)
		return { text: tokenizer.decode(tokenIds), tokenIds, prefixTokens: 0 }
	})
}

/** Body of POST /v1/completions → one generation per prompt. Throws ApiError 400. */
export async function toCompletionTextRequests(
	body: CompletionRequest,
	prompts: readonly CompletionPrompt[],
	context: RequestContext,
): Promise<TextRequest[]> {
	const generated = choicesPerPrompt(body)
	if (generated * prompts.length > sequencesMax) {
		const limit = Math.floor(sequencesMax / prompts.length)
		const param = body.best_of === undefined ? 'n' : 'best_of'
		throw aboveMax(param, limit, generated, 'integer')
	}
	const { tokenizer, vocabSize } = context
	const isRanked = generated > (body.n ?? 1)
	const logprobs = body.logprobs ?? null
	const scores = [toPromptLogprobsCount(body), body.echo ? logprobs : null].filter(
		(it) => it !== null,
	)
	const promptLogprobs = scores.length === 0 ? null : Math.max(...scores)
	const maxTokens = body.max_tokens ?? body.max_completion_tokens ?? legacyMaxTokensDefault
	const stop = toStop(body.stop)
	const stopTokenIds = toStopTokenIds(body, tokenizer.endTokenIds, vocabSize)
	const constraint = await toConstraint(body, { tokenizer, stop, vocabSize, stopTokenIds })
	return prompts.map(({ tokenIds, text }, i) => {
		const prompt = tokenPrompt(tokenIds, text, tokenizer)
		return textRequest(prompt, tokenizer, {
			n: generated,
			maxTokens: clampMaxTokens(maxTokens),
			sampling: toSampling(body, body.temperature ?? legacyTemperatureDefault, {
				...context,
				// Equal prompts shall get different texts, unless the request itself names a seed.
				seed: context.seed + i,
			}),
			stop,
			includeStop: body.include_stop_str_in_output ?? false,
			stopTokenIds,
			minTokens: body.min_tokens ?? 0,
			logprobs: isRanked ? (logprobs ?? 0) : logprobs,
			promptLogprobs,
			truncation: body.truncation ?? 'auto',
			constraint,
		})
	})
}

/** Choices to generate for each prompt, of which the best `n` are returned. */
function choicesPerPrompt({ n = 1, best_of, stream }: CompletionRequest): number {
	if (best_of === undefined) return n
	if (best_of < n) throw belowMin('best_of', n, best_of, 'integer')
	if (stream && best_of > n) throw unsupportedParameter('best_of', 'It does not go with a stream.')
	return best_of
}

async function fromTexts(
	texts: readonly string[],
	tokenizer: Tokenizer,
): Promise<CompletionPrompt[]> {
	const { promptPrefix } = tokenizer
	const encoded = await encodeTexts(texts.map(endOfText), tokenizer, 'read')
	return texts.map((text, i) => {
		const tokenIds = [...promptPrefix, ...encoded[i]!]
		return { text, tokenIds, prefixTokens: promptPrefix.length }
	})
}

type PromptList = Exclude<CompletionRequest['prompt'], string>

function isTexts(prompt: PromptList): prompt is string[] {
	return typeof prompt[0] === 'string'
}

function isIds(prompt: PromptList): prompt is number[] {
	return typeof prompt[0] === 'number'
}
