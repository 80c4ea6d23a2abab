import type { Kernels } from '../../kernels/binding.ts'
import { type Matrix, pinned } from '../../kernels/buffer.ts'
import { LIKELY_MAX, type Likely } from './guess-table.ts'

/** Reads from rows of logits which tokens are likeliest. */
export class LikelyTokens {
	readonly #kernels: Kernels
	/** [rows, vocabSize] */
	readonly #logits: Matrix
	/** Ids that can be drawn: those below it. */
	readonly #tokenCount: number
	readonly #count: number
	readonly #tokenIds = pinned(new Int32Array(LIKELY_MAX))
	readonly #shares = pinned(new Float32Array(LIKELY_MAX))

	constructor(kernels: Kernels, logits: Matrix, tokenCount: number) {
		this.#kernels = kernels
		this.#logits = logits
		this.#tokenCount = tokenCount
		this.#count = Math.min(LIKELY_MAX, tokenCount)
	}

	/** Shares of what the likeliest have together; valid until the next call. None where logits are not finite. */
	read(logitsRow: number): Likely {
		const row = this.#logits.rowAddress(logitsRow)
		const [count, tokenIds, shares] = [this.#count, this.#tokenIds.array, this.#shares.array]
		this.#kernels.topK(row, this.#tokenCount, count, this.#tokenIds.address, this.#shares.address)
		const largest = shares[0]!
		if (!Number.isFinite(largest)) return { count: 0, tokenIds, shares }
		let sum = 0
		for (let i = 0; i < count; i++) sum += shares[i] = Math.exp(shares[i]! - largest)
		for (let i = 0; i < count; i++) shares[i]! /= sum
		return { count, tokenIds, shares }
	}
}
