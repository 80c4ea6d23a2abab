/** Text → answers of POST /v1/completions, whole or in chunks. */

import type { TokenLogprob } from '../engine/generation.ts'
import { jsonPieces } from '../lib/json-text.ts'
import { finish, type Steps } from '../lib/steps.ts'
import { codePointCount } from '../text/code-points.ts'
import { endOfText } from '../text/prompt.ts'
import type { PromptEvent, TextChoice, TextResult } from '../text/text-events.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { type AnswerHead, headFields, toUsage } from './answer.ts'
import type { ChunkShape, EchoJson } from './chunk-stream.ts'
import type { CompletionPrompt } from './completion-request.ts'
import {
	type CompletionToken,
	TOKENS_PER_STEP,
	toCompletionLogprobs,
	toPromptLogprobs,
	withTop,
} from './logprobs.ts'
import type { Completion } from './schemas/completions.ts'

/** How the request wants its choices. */
export interface CompletionOptions {
	readonly prompts: readonly CompletionPrompt[]
	/** Choices to return per prompt. */
	readonly n: number
	readonly echo: boolean
	/** Alternatives per token; null when no log-probabilities were asked for. */
	readonly logprobs: number | null
	/** The same of the prompt as a list of its own. */
	readonly promptLogprobs: number | null
	/** The ids of the tokens of prompt and answer are wanted. */
	readonly tokenIds: boolean
	readonly tokenizer: Tokenizer
}

/** The answer in one object, for `jsonText`, in steps; choices are numbered through over all prompts. */
export function* toCompletion(
	head: AnswerHead,
	results: readonly TextResult[],
	options: CompletionOptions,
): Steps<Completion> {
	const sum = (count: (result: TextResult) => number) =>
		results.reduce((total, result) => total + count(result), 0)
	const choices: Omit<Completion['choices'][number], 'index'>[] = []
	for (const [i, result] of results.entries()) {
		const prompt = options.prompts[i]!
		const echo = options.echo ? yield* echoOf(prompt, result, options) : nothing
		const { promptLogprobs, tokenizer } = options
		// The same objects for all choices, which can be many.
		const promptFields = {
			...(promptLogprobs !== null && {
				prompt_logprobs: yield* toPromptLogprobs(result, promptLogprobs, tokenizer),
			}),
			...(options.tokenIds && { prompt_token_ids: [...prompt.tokenIds] }),
		}
		for (const choice of best(result.choices, options.n)) {
			choices.push({
				...(yield* toChoice(choice, echo, options)),
				...promptFields,
				...(options.tokenIds && { token_ids: [...choice.tokenIds] }),
			})
			yield
		}
	}
	const counted = (choice: TextChoice) =>
		choice.completionTokens + (tellsStopToken(options) && choice.stopToken !== null ? 1 : 0)
	return {
		...headFields(head, 'text_completion'),
		choices: choices.map((choice, index) => ({ index, ...choice })),
		usage: toUsage(
			sum((result) => result.promptTokens),
			sum((result) => result.cachedTokens),
			sum((r) => r.choices.reduce((total, choice) => total + counted(choice), 0)),
		),
	}
}

/** Chunks have the same object name as the whole; every one has a text. */
export function completionChunkShape(options: CompletionOptions): ChunkShape {
	const { prompts, n, tokenizer } = options
	const promptOf = (choice: number) => prompts[Math.floor(choice / n)]!
	/** Choices that have told the tokens of their prompt. */
	const begun = new Set<number>()
	function* toJson(tokens: readonly CompletionToken[]): Steps<string> {
		if (options.logprobs === null) return 'null'
		let text = ''
		for (const piece of jsonPieces(yield* toCompletionLogprobs(tokens, tokenizer), PIECE_LENGTH)) {
			text += piece
			yield
		}
		return text
	}
	function* echoJson(event: PromptEvent): Steps<EchoJson> {
		const { text, tokens } = yield* echoOf(promptOf(event.choice), event, options)
		return { text, logprobs: yield* toJson(tokens) }
	}
	return {
		object: 'text_completion',
		opening: null,
		text: (text) => `"text":${JSON.stringify(text)}`,
		textless: '"text":""',
		openingFields: '',
		tokenIds(choice, ids) {
			if (!options.tokenIds) return ''
			const isFirst = !begun.has(choice)
			begun.add(choice)
			const ofPrompt = isFirst ? `,"prompt_token_ids":[${promptOf(choice).tokenIds}]` : ''
			return `${ofPrompt},"token_ids":[${ids}]`
		},
		rest: () => null,
		finishReason: (reason) => reason,
		logprobs: (choice, tokens) =>
			finish(toJson(shift(tokens, options.echo ? codePointCount(promptOf(choice).text) : 0))),
		tellsStopToken: tellsStopToken(options),
		echo: options.echo ? echoJson : null,
	}
}

/** Characters of an answer that are written in one step. */
const PIECE_LENGTH = 2 ** 15

interface Echo {
	readonly text: string
	readonly tokens: readonly CompletionToken[]
}

const nothing: Echo = { text: '', tokens: [] }

/** The prompt as part of the answer, its tokens where they are told. The model may have read only its end. */
function* echoOf(
	{ text, tokenIds, prefixTokens }: CompletionPrompt,
	read: { promptTokens: number; logprobs?: Logprobs; promptLogprobs?: Logprobs },
	options: Pick<CompletionOptions, 'tokenizer' | 'logprobs'>,
): Steps<Echo> {
	if (options.logprobs === null) return { text, tokens: [] }
	const { tokenizer } = options
	const logprobs = read.logprobs ?? read.promptLogprobs ?? []
	const firstRead = tokenIds.length - logprobs.length
	const decoder = tokenizer.createDecoder()
	const pieces: { readonly text: string; readonly isAfterWord: boolean }[] = []
	for (const [i, tokenId] of tokenIds.entries()) {
		const { isAfterWord } = decoder
		pieces.push({ text: i < prefixTokens ? '' : decoder.push(tokenId), isAfterWord })
		if (i % TOKENS_PER_STEP === 0) yield
	}
	const length = pieces.reduce((sum, piece) => sum + piece.text.length, 0)
	// Of a very long text only the end was encoded; token ids may stand for as long a text, all of it.
	const start = length === text.length ? 0 : text.length - endOfText(text).length
	const place = placesIn(text, start, tokenizer)
	const tokens: CompletionToken[] = []
	for (const [i, tokenId] of tokenIds.entries()) {
		const logprob = logprobs[i - firstRead] ?? null
		tokens.push({
			tokenId,
			logprob: logprob && withTop(logprob, options.logprobs ?? 0),
			offset: place(pieces[i]!.text),
			isAfterWord: pieces[i]!.isAfterWord,
		})
		if (i % TOKENS_PER_STEP === 0) yield
	}
	return { text, tokens }
}

/**
 * Tells where the text of each token stands, in code points, asked in their order, from the UTF-16 unit
 * `start` on. The vocabulary may lack what is before it and, within a token that was merged, between
 * its characters.
 */
function placesIn(text: string, start: number, tokenizer: Tokenizer): (piece: string) => number {
	let end = start
	let counted = 0
	let codePoints = 0
	const find = tokenizer.spec.type === 'word' ? findWord : findCharacters
	return (piece) => {
		const place = find(text, piece, end)
		end = place.end
		codePoints += codePointCount(text.slice(counted, place.start))
		counted = place.start
		return codePoints
	}
}

/** In UTF-16 units. */
interface Place {
	readonly start: number
	readonly end: number
}

function findCharacters(text: string, piece: string, from: number): Place {
	let start = -1
	let end = from
	for (const character of piece) {
		const at = text.indexOf(character, end)
		if (at === -1) return nowhere(text)
		if (start === -1) start = at
		end = at + character.length
	}
	return { start: start === -1 ? end : start, end }
}

/** Words are joined by blanks in a decoded text, and by any white space in what was encoded. */
function findWord(text: string, piece: string, from: number): Place {
	const word = piece.trim() || piece.replaceAll(' ', '')
	if (word === '') return { start: from, end: from }
	const isBoundary = (at: number) => /^\s?$/.test(text[at] ?? '')
	let start = text.indexOf(word, from)
	while (start !== -1 && word !== '\n') {
		if (isBoundary(start - 1) && isBoundary(start + word.length)) break
		start = text.indexOf(word, start + 1)
	}
	if (start === -1) return nowhere(text)
	const hasBlank = piece.startsWith(' ') && start > from && text[start - 1] === ' '
	return { start: hasBlank ? start - 1 : start, end: start + word.length }
}

/** Of a token that is not in the text: nothing more is searched for. */
function nowhere({ length }: string): Place {
	return { start: length, end: length }
}

type Logprobs = readonly (TokenLogprob | null)[] | null

/** As vLLM does it: so the last entry of the arrays is always what was drawn last. */
function tellsStopToken({ echo, logprobs }: CompletionOptions): boolean {
	return echo || logprobs !== null
}

function* toChoice(choice: TextChoice, echo: Echo, { logprobs, tokenizer }: CompletionOptions) {
	const generated = choice.stopToken ? [...choice.tokens, choice.stopToken] : choice.tokens
	const tokens = [...echo.tokens, ...shift(generated, codePointCount(echo.text))]
	return {
		text: echo.text + choice.text,
		logprobs: logprobs === null ? null : yield* toCompletionLogprobs(tokens, tokenizer),
		finish_reason: choice.finishReason,
	}
}

function shift(tokens: readonly CompletionToken[], by: number): readonly CompletionToken[] {
	return by === 0 ? tokens : tokens.map((token) => ({ ...token, offset: token.offset + by }))
}

/** The `n` choices with the best mean log-probability, best first; all of them in order if no more. */
function best(choices: readonly TextChoice[], n: number): readonly TextChoice[] {
	if (choices.length <= n) return choices
	const mean = ({ tokens }: TextChoice) =>
		tokens.reduce((sum, token) => sum + token.logprob.logprob, 0) / Math.max(1, tokens.length)
	return choices.toSorted((a, b) => mean(b) - mean(a)).slice(0, n)
}
