import { kvBlockTokens } from '../../kernels/binding.ts'
import { type GenerationRequest, readableTokens } from '../generation.ts'
import { type KvCache, rootContent } from './kv-cache.ts'

/** What the engine computes for a sequence: continuations, or its mean hidden state. */
export type SequencePurpose = 'generate' | 'embed'

/**
 * Where a sequence is in its life. It waits for blocks, reads its prompt, then decodes one token a
 * step; whenever its window is full it rolls, and reads what was kept before it decodes again.
 */
export type Phase = 'waiting' | 'reading' | 'decoding' | 'rolled' | 'finished'

/**
 * One choice of a request: its window of tokens, how far they are computed, and the KV blocks that
 * hold them. Bookkeeping only.
 */
export class Sequence {
	readonly requestId: number
	readonly choice: number
	readonly request: GenerationRequest
	readonly purpose: SequencePurpose

	/** Tokens in the context, at most `contextLength`. */
	readonly window: Int32Array
	length: number
	/** How many of them have their keys and values stored. */
	computed = 0
	/** Tokens of the prompt that are read: the window begins with them until it rolls. */
	readonly promptLength: number
	/** Prompt tokens found in the prefix cache at admission. */
	cachedTokens = 0
	/** Set by the scheduler alone. */
	phase: Phase = 'waiting'

	/** Blocks held, in window order: enough for the longest window this sequence can have. */
	readonly blocks: Int32Array
	#blockCount = 0
	#registeredBlocks = 0
	#contentId = 0

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
		this.window = new Int32Array(contextLength)
		this.window.set(prompt)
		this.length = prompt.length
		this.promptLength = prompt.length
		const longest = Math.min(contextLength, prompt.length + request.maxTokens)
		this.blocks = new Int32Array(Math.ceil(longest / kvBlockTokens))
		const { repetitionPenalty, presencePenalty, frequencyPenalty } = request.sampling
		const penalized = repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0
		this.generatedCounts = penalized ? new Map() : null
		this.#seenTokens = new Set(penalized ? prompt : [])
	}

	/** Tokens of the window that are still to be computed; at least one while the sequence runs. */
	get remaining(): number {
		return this.length - this.computed
	}

	/** The window has no place for another token. */
	get isFull(): boolean {
		return this.length === this.window.length
	}

	get hasBlocks(): boolean {
		return this.#blockCount > 0
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

	/** Takes all blocks, reusing cached ones for the window's beginning; false when there are too few. */
	acquireBlocks(cache: KvCache): boolean {
		const match = this.#needsEveryRow
			? { blockCount: 0, contentId: rootContent(this.request.cacheSalt) }
			: cache.match(this.window, this.length, this.blocks, rootContent(this.request.cacheSalt))
		if (this.blocks.length - match.blockCount > cache.available) {
			cache.release(this.blocks, match.blockCount)
			return false
		}
		for (let i = match.blockCount; i < this.blocks.length; i++) this.blocks[i] = cache.allocate()
		this.#blockCount = this.blocks.length
		this.computed = match.blockCount * kvBlockTokens
		this.#registeredBlocks = match.blockCount
		this.#contentId = match.contentId
		return true
	}

	releaseBlocks(cache: KvCache): void {
		cache.release(this.blocks, this.#blockCount)
		this.#blockCount = 0
	}

	/** Notes that `count` more tokens are computed and offers blocks that became full for reuse. */
	advance(count: number, cache: KvCache): void {
		this.computed += count
		while ((this.#registeredBlocks + 1) * kvBlockTokens <= this.computed) {
			const start = this.#registeredBlocks * kvBlockTokens
			const block = this.blocks[this.#registeredBlocks]!
			this.#contentId = cache.register(block, this.#contentId, this.window, start)
			this.#registeredBlocks++
		}
	}

	/** Distinct tokens of the prompt, as read, and of the output: what the repetition penalty meets. */
	seenTokens(): Iterable<number> {
		return this.#seenTokens
	}

	/** Adds a generated token to the window; the next one needs a new mask. */
	append(tokenId: number): void {
		this.mask = null
		this.window[this.length++] = tokenId
		this.generatedCount++
		if (!this.generatedCounts) return
		this.generatedCounts.set(tokenId, (this.generatedCounts.get(tokenId) ?? 0) + 1)
		this.#seenTokens.add(tokenId)
	}

	/**
	 * No position beyond the context was trained, so a full window cannot grow: keep its last half, to be
	 * read again from position 0. Its blocks go back; the scheduler takes new ones before the next step.
	 */
	roll(cache: KvCache): void {
		const kept = Math.floor(this.window.length / 2)
		this.window.copyWithin(0, this.length - kept, this.length)
		this.length = kept
		this.computed = 0
		this.releaseBlocks(cache)
	}
}
