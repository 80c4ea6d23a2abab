import { kvBlockTokens } from '../../kernels/binding.ts'
import { type KvCache, rootContent } from './kv-cache.ts'

/** Tokens of a context, how far they are computed, and the KV blocks that hold them. Bookkeeping only. */
export class Window {
	/** At most `contextLength` of them. */
	readonly tokens: Int32Array
	length: number
	/** How many of them have their keys and values stored. */
	computed = 0
	/** Blocks held, in window order. */
	readonly blocks: Int32Array
	readonly #longest: number
	#blockCount = 0
	#registeredBlocks = 0
	#contentId = 0

	/** A window that begins with `tokens` and grows to at most `longest` of `contextLength`. */
	constructor(contextLength: number, tokens: ArrayLike<number>, longest: number) {
		this.tokens = new Int32Array(contextLength)
		this.tokens.set(tokens)
		this.length = tokens.length
		this.#longest = longest
		this.blocks = new Int32Array(Math.ceil(longest / kvBlockTokens))
	}

	/** Tokens that are still to be computed. */
	get remaining(): number {
		return this.length - this.computed
	}

	/** How many tokens can follow. */
	get free(): number {
		return this.tokens.length - this.length
	}

	get hasBlocks(): boolean {
		return this.#blockCount > 0
	}

	append(tokenId: number): void {
		this.tokens[this.length++] = tokenId
	}

	/**
	 * Takes the blocks of the first `tokens` tokens, or all; cached ones serve the window's beginning if it
	 * `reuses` them. False when there are too few.
	 */
	acquire(cache: KvCache, salt: number, reuses: boolean, tokens = this.#longest): boolean {
		const root = rootContent(salt)
		const match = reuses
			? cache.match(this.tokens, this.length, this.blocks, root)
			: { blockCount: 0, contentId: root }
		this.#blockCount = match.blockCount
		this.computed = match.blockCount * kvBlockTokens
		this.#registeredBlocks = match.blockCount
		this.#contentId = match.contentId
		if (this.#allocate(cache, tokens)) return true
		this.release(cache)
		return false
	}

	/** Takes the blocks that are still missing. False when there are too few. */
	acquireRest(cache: KvCache): boolean {
		return this.#allocate(cache, this.#longest)
	}

	#allocate(cache: KvCache, tokens: number): boolean {
		const blockCount = Math.ceil(tokens / kvBlockTokens)
		if (blockCount - this.#blockCount > cache.available) return false
		while (this.#blockCount < blockCount) this.blocks[this.#blockCount++] = cache.allocate()
		return true
	}

	/** Gives all blocks back: nothing of the window is computed any more. */
	release(cache: KvCache): void {
		cache.release(this.blocks, this.#blockCount)
		this.#blockCount = 0
		this.#registeredBlocks = 0
		this.computed = 0
	}

	/** Notes that `count` more tokens are computed and offers blocks that became full for reuse. */
	advance(count: number, cache: KvCache): void {
		this.computed += count
		while ((this.#registeredBlocks + 1) * kvBlockTokens <= this.computed) {
			const start = this.#registeredBlocks * kvBlockTokens
			const block = this.blocks[this.#registeredBlocks]!
			this.#contentId = cache.register(block, this.#contentId, this.tokens, start)
			this.#registeredBlocks++
		}
	}
}
