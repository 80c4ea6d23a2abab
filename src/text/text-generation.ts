/**
 * The loop between engine and dialects: tokens in, text events out. Ends a choice when its stop
 * string appears. Nothing here knows a wire format.
 */
import type {
	FinishReason,
	Generation,
	StopToken,
	TokenEvent,
	TokenLogprob,
} from '../engine/generation.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { ConstraintSession } from './constraint/constraint.ts'
import { stopTexts } from './stop-matcher.ts'
import type { ScoredToken, TextChoice, TextEvent, TextResult } from './text-events.ts'
import { promptIds, type TextRequest } from './text-request.ts'
import { type TextDelta, TextStream } from './text-stream.ts'

interface Choice {
	readonly text: TextStream
	/** What the text is held to, at the place where the text is. */
	readonly constraint: ConstraintSession | null
	/** Tokens that no event has told of, with their log-probabilities; empty unless asked for. */
	readonly untoldScores: { tokenId: number; logprob: TokenLogprob }[]
	completionTokens: number
	/** Tokens that no event has told of. */
	untoldIds: number[]
	isOpen: boolean
}

/** How a choice ended. */
interface End {
	readonly finishReason: FinishReason
	readonly stopToken?: StopToken
}

/** By a stop text or a format that leaves nothing more to say. */
const stopped: End = { finishReason: 'stop' }

/** Who counts what a generation does. */
export interface GenerationMeter {
	/** The prompt has been read. */
	promptRead(promptTokens: number, cachedTokens: number): void
	/** Tokens that arrived together. */
	tokens(count: number): void
	choiceFinished(finishReason: 'stop' | 'length' | 'abort', completionTokens: number): void
	/** However it ended; later calls do nothing. */
	ended(): void
}

export interface TextGenerationOptions {
	readonly request: TextRequest
	readonly tokenizer: Tokenizer
	/** Default: nobody counts. */
	readonly meter?: GenerationMeter
}

/** Text of a running generation. Leaving the loop over `batches` early aborts the generation. */
export class TextGeneration {
	readonly #generation: Generation
	readonly #promptTokenIds: readonly number[]
	readonly #choices: Choice[]
	readonly #meter: GenerationMeter | undefined
	/** Tokens read and not yet told to the meter. */
	#unmeteredTokens = 0

	constructor(generation: Generation, { request, tokenizer, meter }: TextGenerationOptions) {
		this.#generation = generation
		this.#meter = meter
		this.#promptTokenIds = promptIds(request)
		const stop = stopTexts(request.stop)
		this.#choices = Array.from({ length: request.generation.n }, () => {
			const constraint = request.constraint?.start() ?? null
			const text = new TextStream({
				decoder: constraint ?? tokenizer.createDecoder(request.textBefore),
				stop,
				includeStop: request.includeStop,
				minTokens: request.generation.minTokens,
				skipsLeadingBlank: request.skipsLeadingBlank && constraint === null,
			})
			return {
				text,
				constraint,
				untoldScores: [],
				completionTokens: 0,
				untoldIds: [],
				isOpen: true,
			}
		})
		for (const [index, { constraint }] of this.#choices.entries()) {
			// Asked for even if the format leaves the model nothing to say: the engine reads a prompt only
			// together with the draw of a first token.
			if (constraint !== null) generation.moveTo(index, constraint.state)
		}
	}

	/** Text events, in batches of what is ready together. */
	async *batches(): AsyncGenerator<TextEvent[], void> {
		for await (const first of this.#generation) {
			const events: TextEvent[] = []
			this.#read(first, events)
			for (const event of this.#generation.takeReady()) this.#read(event, events)
			if (this.#unmeteredTokens > 0) this.#meter?.tokens(this.#unmeteredTokens)
			this.#unmeteredTokens = 0
			if (events.length > 0) yield events
			if (this.#choices.every((choice) => !choice.isOpen)) return
		}
	}

	/** The whole answer; null when the generation was aborted before its end. */
	async result(): Promise<TextResult | null> {
		const parts = this.#choices.map(() => ({
			text: '',
			tokens: [] as ScoredToken[],
			tokenIds: [] as number[],
		}))
		const choices: TextChoice[] = []
		let prompt: Extract<TextEvent, { type: 'prompt' }> | null = null
		for await (const events of this.batches()) {
			for (const event of events) {
				if (event.type === 'prompt') {
					prompt = event
					continue
				}
				const part = parts[event.choice]!
				part.tokenIds.push(...event.tokenIds)
				if (event.type === 'text') {
					part.text += event.text
					part.tokens.push(...event.tokens)
				} else {
					const { finishReason, completionTokens, stopToken } = event
					choices[event.choice] = { ...part, finishReason, completionTokens, stopToken }
				}
			}
		}
		if (prompt === null || this.#choices.some((choice) => choice.isOpen)) return null
		const { promptTokens, cachedTokens, logprobs } = prompt
		const promptTokenIds = this.#promptTokenIds
		return { promptTokenIds, promptTokens, cachedTokens, promptLogprobs: logprobs, choices }
	}

	/** Ends what still runs. To be called in any case. */
	close(): void {
		this.#generation.abort()
		for (const choice of this.#choices) {
			if (choice.isOpen) this.#meter?.choiceFinished('abort', choice.completionTokens)
			choice.isOpen = false
		}
		this.#meter?.ended()
	}

	#read(event: TokenEvent, out: TextEvent[]): void {
		if (event.type === 'prompt') {
			this.#meter?.promptRead(event.promptTokens, event.cachedTokens)
			out.push({ ...event, choice: 0, logprobs: event.logprobs ?? null })
			for (const [index, { constraint }] of this.#choices.entries()) {
				if (constraint?.isFinished) this.#constrain(index, constraint, out)
			}
			return
		}
		const choice = this.#choices[event.choice]!
		// Events of a choice that has met its stop string may still be on their way.
		if (!choice.isOpen) return
		if (event.type === 'finish') {
			const rest = choice.text.finish()
			this.#emit(event.choice, rest, out)
			this.#close(event.choice, rest.stopped ? stopped : event, out)
			return
		}
		choice.completionTokens++
		choice.untoldIds.push(event.tokenId)
		this.#unmeteredTokens++
		if (event.logprob !== undefined) {
			choice.untoldScores.push({ tokenId: event.tokenId, logprob: event.logprob })
		}
		const delta = choice.text.push(event.tokenId)
		this.#emit(event.choice, delta, out)
		if (delta.stopped) {
			this.#generation.stopChoice(event.choice)
			this.#close(event.choice, stopped, out)
		} else if (choice.constraint !== null) {
			this.#constrain(event.choice, choice.constraint, out)
		}
	}

	/** Says where the text is, so that more can be drawn, or ends a choice whose format leaves nothing more to say. */
	#constrain(index: number, constraint: ConstraintSession, out: TextEvent[]): void {
		if (!constraint.isFinished) {
			this.#generation.moveTo(index, constraint.state)
			return
		}
		this.#generation.stopChoice(index)
		this.#emit(index, this.#choices[index]!.text.finish(), out)
		this.#close(index, stopped, out)
	}

	#emit(index: number, delta: TextDelta, out: TextEvent[]): void {
		const choice = this.#choices[index]!
		const { untoldIds: tokenIds } = choice
		// Tokens are told in the order of their pushes.
		const scores = choice.untoldScores.splice(0, delta.tokens.length)
		const tokens = scores.map((score, i) => {
			const { offset, isAfterWord } = delta.tokens[i]!
			return { ...score, offset, isAfterWord }
		})
		if (delta.text === '' && tokens.length === 0) return
		choice.untoldIds = []
		out.push({ type: 'text', choice: index, text: delta.text, tokens, tokenIds })
	}

	#close(index: number, { finishReason, stopToken }: End, out: TextEvent[]): void {
		const choice = this.#choices[index]!
		const { codePoints: offset, isAfterWord } = choice.text
		choice.isOpen = false
		this.#meter?.choiceFinished(finishReason, choice.completionTokens)
		out.push({
			type: 'finish',
			choice: index,
			finishReason,
			completionTokens: choice.completionTokens,
			tokenIds: stopToken ? [...choice.untoldIds, stopToken.tokenId] : choice.untoldIds,
			stopToken: stopToken ? { ...stopToken, offset, isAfterWord } : null,
		})
	}
}
