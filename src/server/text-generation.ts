/**
 * The loop between engine and dialects: tokens in, text events out. Ends a choice when its stop
 * string appears. Nothing here knows a wire format.
 */
import type { Generation, TokenEvent, TokenLogprob } from '../engine/generation.ts'
import type {
	ScoredToken,
	TextChoice,
	TextEvent,
	TextRequest,
	TextResult,
} from '../openai/text-generation.ts'
import { type TextDelta, TextStream } from '../tokenizer/text-stream.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'

interface Choice {
	readonly text: TextStream
	/** Tokens so far with their log-probabilities, by push; empty unless asked for. */
	readonly scored: { tokenId: number; logprob: TokenLogprob }[]
	completionTokens: number
	isOpen: boolean
}

/** Text of a running generation. Leaving the loop over `batches` early aborts the generation. */
export class TextGeneration {
	readonly #generation: Generation
	readonly #choices: Choice[]

	constructor(generation: Generation, request: TextRequest, tokenizer: Tokenizer) {
		this.#generation = generation
		this.#choices = Array.from({ length: request.generation.n }, () => ({
			text: new TextStream({
				decoder: tokenizer.createDecoder(),
				stop: request.stop,
				includeStop: request.includeStop,
				minTokens: request.generation.minTokens,
				skipsLeadingBlank: request.skipsLeadingBlank,
			}),
			scored: [],
			completionTokens: 0,
			isOpen: true,
		}))
	}

	/** Text events, in batches of what is ready together. */
	async *batches(): AsyncGenerator<TextEvent[], void> {
		for await (const first of this.#generation) {
			const events: TextEvent[] = []
			this.#read(first, events)
			for (const event of this.#generation.takeReady()) this.#read(event, events)
			if (events.length > 0) yield events
			if (this.#choices.every((choice) => !choice.isOpen)) return
		}
	}

	/** The whole answer; null when the generation was aborted before its end. */
	async result(): Promise<TextResult | null> {
		const parts = this.#choices.map(() => ({ text: '', tokens: [] as ScoredToken[] }))
		const choices: TextChoice[] = []
		let prompt: Extract<TextEvent, { type: 'prompt' }> | null = null
		for await (const events of this.batches()) {
			for (const event of events) {
				if (event.type === 'prompt') {
					prompt = event
				} else if (event.type === 'text') {
					const part = parts[event.choice]!
					part.text += event.text
					part.tokens.push(...event.tokens)
				} else {
					const { finishReason, completionTokens } = event
					choices[event.choice] = { ...parts[event.choice]!, finishReason, completionTokens }
				}
			}
		}
		if (prompt === null || this.#choices.some((choice) => choice.isOpen)) return null
		const { promptTokens, cachedTokens, logprobs } = prompt
		return { promptTokens, cachedTokens, promptLogprobs: logprobs, choices }
	}

	/** Ends what still runs. */
	abort(): void {
		this.#generation.abort()
	}

	#read(event: TokenEvent, out: TextEvent[]): void {
		if (event.type === 'prompt') {
			out.push({ ...event, logprobs: event.logprobs ?? null })
			return
		}
		const choice = this.#choices[event.choice]!
		// Events of a choice that has met its stop string may still be on their way.
		if (!choice.isOpen) return
		if (event.type === 'finish') {
			const rest = choice.text.finish()
			this.#emit(event.choice, rest, out)
			this.#close(event.choice, rest.stopped ? 'stop' : event.finishReason, out)
			return
		}
		choice.completionTokens++
		if (event.logprob !== undefined) {
			choice.scored.push({ tokenId: event.tokenId, logprob: event.logprob })
		}
		const delta = choice.text.push(event.tokenId)
		this.#emit(event.choice, delta, out)
		if (delta.stopped) {
			this.#generation.stopChoice(event.choice)
			this.#close(event.choice, 'stop', out)
		}
	}

	#emit(index: number, delta: TextDelta, out: TextEvent[]): void {
		const { scored } = this.#choices[index]!
		const tokens =
			scored.length === 0
				? []
				: delta.tokens.map((token) => ({ ...scored[token.index]!, offset: token.offset }))
		if (delta.text === '' && tokens.length === 0) return
		out.push({ type: 'text', choice: index, text: delta.text, tokens })
	}

	#close(index: number, finishReason: 'stop' | 'length', out: TextEvent[]): void {
		const choice = this.#choices[index]!
		choice.isOpen = false
		const { completionTokens } = choice
		out.push({ type: 'finish', choice: index, finishReason, completionTokens })
	}
}
