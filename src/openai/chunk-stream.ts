/**
 * The chunks of chat completions and of completions: what they share is here, what differs comes in
 * as `ChunkShape`. Chunks are put together from ready-made strings, because this runs per token.
 */

import type { FinishReason } from '../engine/generation.ts'
import type { Steps } from '../lib/steps.ts'
import type { PromptEvent, ScoredToken, TextEvent } from '../text/text-events.ts'
import type { ApiError } from '../wire/errors.ts'
import { dataFrame, doneFrame, errorFrame, type StreamFormat } from '../wire/stream-format.ts'
import { type AnswerHead, headFields, toUsage } from './answer.ts'

type FinishEvent = Extract<TextEvent, { type: 'finish' }>

/** How one of the two dialects writes a choice of a chunk. */
export interface ChunkShape {
	/** `object` of each chunk. */
	readonly object: string
	/** Fields of each choice's first chunk; null = there is no opening chunk. */
	readonly opening: string | null
	/** Fields of a chunk with this text; null where it says nothing to the client by itself. */
	text(text: string, choice: number): string | null
	/** Fields of a chunk without text. */
	readonly textless: string
	/** Fields of a last chunk before the end of a choice; null = there is none. */
	rest(choice: number): string | null
	finishReason(reason: FinishReason, choice: number): string
	/** JSON of the log-probabilities of these tokens, `null` when none were asked for. */
	logprobs(choice: number, tokens: readonly ScoredToken[]): string
	/** Further fields of a choice's chunk with their comma, about the tokens that it tells of; '' = none. */
	tokenIds(choice: number, tokenIds: readonly number[]): string
	/** Further fields of the first opening chunk, with their comma; '' = none. */
	readonly openingFields: string
	/** A stop token counts and is told with the end of its choice. */
	readonly tellsStopToken: boolean
	/** What choices repeat of their prompt; null = nothing. */
	readonly echo: ((prompt: PromptEvent) => Steps<EchoJson>) | null
}

/** A text, and JSON of its log-probabilities. */
export interface EchoJson {
	readonly text: string
	readonly logprobs: string
}

export interface ChunkStreamOptions {
	readonly choices: number
	/** Choices that share a prompt; they are numbered in a row. */
	readonly choicesPerPrompt: number
	/** The client asked for usage in a chunk of its own. */
	readonly includeUsage: boolean
}

/** Streams chunks: opening, texts, one finish per choice, usage exactly once, `[DONE]`. */
export class ChunkStream implements StreamFormat {
	readonly #shape: ChunkShape
	readonly #options: ChunkStreamOptions
	/** Everything before and after the choice of a chunk. */
	readonly #prefix: string
	readonly #suffix: string
	#promptTokens = 0
	#cachedTokens = 0
	#completionTokens = 0
	#finished = 0

	constructor(head: AnswerHead, shape: ChunkShape, options: ChunkStreamOptions) {
		this.#shape = shape
		this.#options = options
		const fields = JSON.stringify(headFields(head, shape.object)).slice(0, -1)
		this.#prefix = `${fields},"choices":[`
		this.#suffix = options.includeUsage ? '],"usage":null}' : ']}'
	}

	open(): string {
		const { opening } = this.#shape
		if (opening === null) return ''
		let frames = ''
		for (let choice = 0; choice < this.#options.choices; choice++) {
			const fields = choice === 0 ? this.#shape.openingFields : ''
			frames += this.#chunk(choice, opening, 'null', 'null', `]${fields}${this.#suffix.slice(1)}`)
		}
		return frames
	}

	prompt(event: PromptEvent): Steps<string> | null {
		this.#promptTokens += event.promptTokens
		this.#cachedTokens += event.cachedTokens
		const { echo } = this.#shape
		return echo && this.#repeat(event, echo(event))
	}

	*#repeat(event: PromptEvent, making: Steps<EchoJson>): Steps<string> {
		const echo = yield* making
		let frames = ''
		for (let i = 0; i < this.#options.choicesPerPrompt; i++) {
			const choice = event.choice + i
			const fields = this.#shape.text(echo.text, choice)
			if (fields !== null) frames += this.#chunk(choice, fields, echo.logprobs, 'null')
		}
		return frames
	}

	event(event: Exclude<TextEvent, PromptEvent>): string {
		switch (event.type) {
			case 'text': {
				const { choice } = event
				const fields = this.#shape.text(event.text, choice)
				const ids = this.#shape.tokenIds(choice, event.tokenIds)
				if (fields === null && ids === '') return ''
				const logprobs = this.#shape.logprobs(choice, event.tokens)
				return this.#chunk(choice, `${fields ?? this.#shape.textless}${ids}`, logprobs, 'null')
			}
			case 'finish':
				return this.#finish(event)
		}
	}

	close(): string {
		if (!this.#options.includeUsage) return doneFrame
		return dataFrame(`${this.#prefix}${this.#usageSuffix()}`) + doneFrame
	}

	fail(error: ApiError): string {
		return errorFrame(error)
	}

	/** The last finish chunk carries usage, unless a chunk of its own will. */
	#finish({ choice, finishReason, completionTokens, ...event }: FinishEvent): string {
		this.#finished++
		const stopToken = this.#shape.tellsStopToken ? event.stopToken : null
		this.#completionTokens += completionTokens + (stopToken === null ? 0 : 1)
		const logprob = stopToken?.logprob ?? null
		const scored = stopToken === null || logprob === null ? [] : [{ ...stopToken, logprob }]
		const logprobs = scored.length === 0 ? 'null' : this.#shape.logprobs(choice, scored)
		const isLast = this.#finished === this.#options.choices
		const carriesUsage = isLast && !this.#options.includeUsage
		const suffix = carriesUsage ? this.#usageSuffix() : this.#suffix
		const rest = this.#shape.rest(choice)
		const last = rest === null ? '' : this.#chunk(choice, rest, 'null', 'null')
		const reason = `"${this.#shape.finishReason(finishReason, choice)}"`
		const fields = this.#shape.textless + this.#shape.tokenIds(choice, event.tokenIds)
		return last + this.#chunk(choice, fields, logprobs, reason, suffix)
	}

	#usageSuffix(): string {
		const usage = toUsage(this.#promptTokens, this.#cachedTokens, this.#completionTokens)
		return `],"usage":${JSON.stringify(usage)}}`
	}

	#chunk(
		choice: number,
		fields: string,
		logprobs: string,
		finishReason: string,
		suffix = this.#suffix,
	): string {
		const content = `{"index":${choice},${fields},"logprobs":${logprobs},"finish_reason":${finishReason}}`
		return dataFrame(`${this.#prefix}${content}${suffix}`)
	}
}
