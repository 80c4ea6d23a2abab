import { type GenerationRequest, readableTokens } from '../generation.ts'
import type { KvCache } from './kv-cache.ts'
import { Window } from './window.ts'

/** What the engine computes for a sequence: continuations, or its mean hidden state. */
export type SequencePurpose = 'generate' | 'embed'

/**
 * Where a sequence is in its life. It waits for blocks, reads its prompt, then decodes one token a
 * step; whenever its window is full it rolls, and reads what was kept before it decodes again.
 */
export type Phase = 'waiting' | 'reading' | 'decoding' | 'rolled' | 'finished'

/** One choice of a request: its window of tokens, and what it has generated. Bookkeeping only. */
export class Sequence {
	readonly requestId: number
	readonly choice: number
	readonly request: GenerationRequest
	readonly purpose: SequencePurpose

	window: Window
	/** The window after this one, while it is read ahead; it begins with the last half of this one. */
	next: Window | null = null
	/** Tokens of the prompt that are read: the window begins with them until it rolls. */
	readonly promptLength: number
	/** Prompt tokens found in the prefix cache at admission. */
	cachedTokens = 0
	/** Its prompt may have a step of its own, before the next one of those who decode. */
	goesFirst = false
	/** Set by the scheduler alone. */
	phase: Phase = 'waiting'

	generatedCount = 0
	/** Generated tokens with their counts; null unless a penalty needs them. */
	readonly generatedCounts: Map<number, number> | null
	readonly #seenTokens: Set<number>
	/** Allowed ids of the next token; null while a constrained sequence waits for them. */
	mask: Uint32Array | null = null

	/**
	 * A prompt keeps its end when it is too long: longer than contextLength - 1 where a token is to
	 * follow, than contextLength where it is only embedded.
	 */
	constructor(
		requestId: number,
		choice: number,
		request: GenerationRequest,
		purpose: SequencePurpose,
		contextLength: number,
	) {
		this.requestId = requestId
		this.choice = choice
		this.request = request
		this.purpose = purpose
		const readable = readableTokens(contextLength, purpose === 'embed' ? 0 : request.maxTokens)
		const prompt = request.promptTokenIds.slice(-readable)
		const longest = Math.min(contextLength, prompt.length + request.maxTokens)
		this.window = new Window(contextLength, prompt, longest)
		this.promptLength = prompt.length
		const { repetitionPenalty, presencePenalty, frequencyPenalty } = request.sampling
		const penalized = repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0
		this.generatedCounts = penalized ? new Map() : null
		this.#seenTokens = new Set(penalized ? prompt : [])
	}

	/** The window has no place for another token. */
	get isFull(): boolean {
		return this.window.free === 0
	}

	/** The window will be full before the last token. */
	get willRoll(): boolean {
		const { maxTokens, truncation } = this.request
		return truncation === 'auto' && maxTokens - this.generatedCount > this.window.free
	}

	/** Tokens of a full window with which the next one begins. */
	get keptLength(): number {
		return Math.floor(this.window.tokens.length / 2)
	}

	/** A constrained choice cannot draw before the row of its state is there. */
	get awaitsMask(): boolean {
		return this.request.constrained && this.mask === null
	}

	/** Sampling changes its row of logits, which log-probabilities must not see. */
	get editsLogits(): boolean {
		const { sampling, stopTokenIds, minTokens, constrained } = this.request
		return (
			this.generatedCounts !== null ||
			sampling.logitBias.length > 0 ||
			(stopTokenIds.length > 0 && this.generatedCount < minTokens) ||
			constrained
		)
	}

	/** Every prompt token's log-probability is wanted; once per request, so of the first choice. */
	get scoresPrompt(): boolean {
		const isUnread = this.phase === 'waiting' || this.phase === 'reading'
		return this.request.promptLogprobs !== null && this.choice === 0 && isUnread
	}

	/** Every row's output is needed, so none may come from the prefix cache. */
	get #needsEveryRow(): boolean {
		return this.purpose === 'embed' || this.scoresPrompt
	}

	/** Takes the blocks of the window, reusing cached ones for its beginning; false when there are too few. */
	acquireBlocks(cache: KvCache): boolean {
		return this.window.acquire(cache, this.request.cacheSalt, !this.#needsEveryRow)
	}

	releaseBlocks(cache: KvCache): void {
		this.window.release(cache)
		this.dropNext(cache)
	}

	/** Distinct tokens of the prompt, as read, and of the output: what the repetition penalty meets. */
	seenTokens(): Iterable<number> {
		return this.#seenTokens
	}

	/** Adds a generated token to the windows; the next one needs a new mask. */
	append(tokenId: number): void {
		this.mask = null
		this.window.append(tokenId)
		this.next?.append(tokenId)
		this.generatedCount++
		if (!this.generatedCounts) return
		this.generatedCounts.set(tokenId, (this.generatedCounts.get(tokenId) ?? 0) + 1)
		this.#seenTokens.add(tokenId)
	}

	/** Lets the next window be read beside this one, if there are blocks for it. */
	beginNext(cache: KvCache): void {
		const next = this.#followingWindow()
		if (next.acquire(cache, this.request.cacheSalt, true, this.keptLength)) this.next = next
	}

	/** Gives back what was taken to read ahead. */
	dropNext(cache: KvCache): void {
		this.next?.release(cache)
		this.next = null
	}

	/**
	 * No position beyond the context was trained, so a full window cannot grow: its last half begins a new
	 * one at position 0. Where that was not read ahead, the scheduler takes blocks for it before the next step.
	 */
	roll(cache: KvCache): void {
		const next = this.next ?? this.#followingWindow()
		this.next = null
		this.window.release(cache)
		this.window = next
		// Who holds some blocks and waits for more could wait for ever.
		if (next.hasBlocks && !next.acquireRest(cache)) next.release(cache)
	}

	/** Begins with what is known of the kept half. */
	#followingWindow(): Window {
		const { tokens, length } = this.window
		const kept = tokens.subarray(tokens.length - this.keptLength, length)
		return new Window(tokens.length, kept, tokens.length)
	}
}
