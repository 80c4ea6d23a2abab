/*
 * Accounting of a model's KV blocks: who uses which, and which full blocks can serve another
 * sequence whose tokens begin alike. Pure bookkeeping over numbers: no memory, no clock, no FFI.
 *
 * A block is referenced (by running sequences), cached (full, unreferenced, findable until evicted)
 * or free. Full blocks are found again by (content id of the block before, their own tokens); a
 * content id names one exact token prefix and is never given out twice, and tokens are compared, so
 * a hash collision cannot serve wrong keys.
 */

import { kvBlockTokens } from '../../kernels/binding.ts'
import { assert } from '../../lib/assert.ts'

/** Content id of the empty prefix. Prefixes under another salt have another root, and so share no block. */
export function rootContent(salt: number): number {
	return -salt
}

const NONE = -1

/** Result of a lookup: how many blocks were found and what prefix they end. */
export interface PrefixMatch {
	readonly blockCount: number
	readonly contentId: number
}

export class KvCache {
	readonly blockCount: number
	readonly #references: Int32Array
	/** Tokens of registered blocks, [blockCount, kvBlockTokens]. */
	readonly #tokens: Int32Array
	/** Content id of registered blocks, from 1 on; 0 of the others. */
	readonly #contentIds: Float64Array
	/** Content id of the prefix before a registered block. */
	readonly #parentIds: Float64Array
	readonly #blockByHash = new Map<number, number>()
	/** Doubly linked list of unreferenced blocks, next to be taken first; the sentinel closes it. */
	readonly #next: Int32Array
	readonly #previous: Int32Array
	#unreferenced = 0
	#lastContentId = 0

	constructor(blockCount: number) {
		this.blockCount = blockCount
		this.#references = new Int32Array(blockCount)
		this.#tokens = new Int32Array(blockCount * kvBlockTokens)
		this.#contentIds = new Float64Array(blockCount)
		this.#parentIds = new Float64Array(blockCount)
		this.#next = new Int32Array(blockCount + 1)
		this.#previous = new Int32Array(blockCount + 1)
		const sentinel = blockCount
		this.#next[sentinel] = sentinel
		this.#previous[sentinel] = sentinel
		for (let block = 0; block < blockCount; block++) this.#append(block)
	}

	/** Blocks that `allocate` can hand out, cached ones included. */
	get available(): number {
		return this.#unreferenced
	}

	/** Blocks in use by sequences. */
	get used(): number {
		return this.blockCount - this.#unreferenced
	}

	/**
	 * Finds the longest run of registered blocks that holds the first tokens of `window`, takes a
	 * reference on each and writes them to `blocks`. Never covers the last token, whose logits are needed.
	 */
	match(
		window: Int32Array,
		length: number,
		blocks: Int32Array,
		root = rootContent(0),
	): PrefixMatch {
		const full = Math.floor((length - 1) / kvBlockTokens)
		let contentId = root
		let blockCount = 0
		while (blockCount < full) {
			const block = this.#find(contentId, window, blockCount * kvBlockTokens)
			if (block === NONE) break
			if (this.#references[block]! === 0) this.#unlink(block)
			this.#references[block]!++
			blocks[blockCount++] = block
			contentId = this.#contentIds[block]!
		}
		return { blockCount, contentId }
	}

	/** Takes the block that was unused longest, forgetting what it held. */
	allocate(): number {
		assert(this.#unreferenced > 0, 'a KV block is available')
		const block = this.#next[this.blockCount]!
		this.#unlink(block)
		this.#references[block] = 1
		this.#forget(block)
		return block
	}

	/**
	 * Makes a block findable after its tokens, `window[start …]`, have been computed. Returns the
	 * content id of the prefix that it ends, which is an earlier block's where that holds the same.
	 */
	register(block: number, parentId: number, window: Int32Array, start: number): number {
		const known = this.#find(parentId, window, start)
		if (known !== NONE) return this.#contentIds[known]!
		const contentId = ++this.#lastContentId
		const hash = prefixHash(parentId, window, start)
		// After a collision of hashes the block stays unregistered; its descendants cannot be found.
		if (this.#blockByHash.has(hash)) return contentId
		this.#blockByHash.set(hash, block)
		this.#contentIds[block] = contentId
		this.#parentIds[block] = parentId
		for (let i = 0; i < kvBlockTokens; i++) {
			this.#tokens[block * kvBlockTokens + i] = window[start + i]!
		}
		return contentId
	}

	/** Gives back a sequence's references; the end of a prefix is evicted before its beginning. */
	release(blocks: Int32Array, blockCount: number): void {
		for (let i = blockCount - 1; i >= 0; i--) {
			const block = blocks[i]!
			assert(this.#references[block]! > 0, 'a released block is referenced')
			this.#references[block]!--
			if (this.#references[block]! > 0) continue
			if (this.#contentIds[block]! === 0) this.#prepend(block)
			else this.#append(block)
		}
	}

	/** Forgets what unused blocks hold, but for the `kept` that were used last; returns the others, ascending. */
	trim(kept: number): Int32Array {
		const trimmed = new Int32Array(Math.max(0, this.#unreferenced - kept))
		let block = this.#next[this.blockCount]!
		for (let i = 0; i < trimmed.length; i++) {
			this.#forget(block)
			trimmed[i] = block
			block = this.#next[block]!
		}
		return trimmed.sort()
	}

	#find(parentId: number, window: Int32Array, start: number): number {
		const block = this.#blockByHash.get(prefixHash(parentId, window, start))
		if (block === undefined || this.#parentIds[block] !== parentId) return NONE
		for (let i = 0; i < kvBlockTokens; i++) {
			if (this.#tokens[block * kvBlockTokens + i] !== window[start + i]) return NONE
		}
		return block
	}

	#forget(block: number): void {
		if (this.#contentIds[block]! === 0) return
		const start = block * kvBlockTokens
		this.#blockByHash.delete(prefixHash(this.#parentIds[block]!, this.#tokens, start))
		this.#contentIds[block] = 0
	}

	#append(block: number): void {
		this.#insert(block, this.#previous[this.blockCount]!, this.blockCount)
	}

	#prepend(block: number): void {
		this.#insert(block, this.blockCount, this.#next[this.blockCount]!)
	}

	#insert(block: number, before: number, after: number): void {
		this.#next[before] = block
		this.#previous[block] = before
		this.#next[block] = after
		this.#previous[after] = block
		this.#unreferenced++
	}

	#unlink(block: number): void {
		this.#next[this.#previous[block]!] = this.#next[block]!
		this.#previous[this.#next[block]!] = this.#previous[block]!
		this.#unreferenced--
	}
}

/** 52-bit hash of a prefix's content id and the tokens of the block that follows it. */
function prefixHash(parentId: number, tokens: Int32Array, start: number): number {
	let low = Math.imul(parentId | 0, 0x9e3779b1) ^ 0x2545f491
	let high = Math.imul(Math.floor(parentId / 2 ** 32) | 0, 0x85ebca6b) ^ low
	for (let i = 0; i < kvBlockTokens; i++) {
		const token = tokens[start + i]!
		low = Math.imul(low ^ token, 0x01000193)
		low ^= low >>> 15
		high = Math.imul(high ^ (token + 0x7f4a7c15), 0xc2b2ae35)
		high ^= high >>> 13
	}
	return (high >>> 12) * 2 ** 32 + (low >>> 0)
}
