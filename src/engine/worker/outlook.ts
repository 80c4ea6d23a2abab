import type { SamplingParams } from '../generation.ts'

/** How certain a guess is, in so many grades. */
export const CERTAINTIES = 12

type Filters = Pick<SamplingParams, 'temperature' | 'topK' | 'topP' | 'minP'>

/** Tokens that may come next, each with how much speaks for it, and which of them would be drawn. */
export class Outlook {
	readonly #tokenIds: Int32Array
	readonly #weights: Float64Array
	#count = 0
	/** Of the last guess, below `CERTAINTIES`: how much weights may be wrong without changing it. */
	certainty = 0

	constructor(tokensMax: number) {
		this.#tokenIds = new Int32Array(tokensMax)
		this.#weights = new Float64Array(tokensMax)
	}

	clear(): void {
		this.#count = 0
	}

	/** Lets so much more speak for a token. */
	add(tokenId: number, weight: number): void {
		for (let i = 0; i < this.#count; i++) {
			if (this.#tokenIds[i] !== tokenId) continue
			this.#weights[i]! += weight
			return
		}
		this.#tokenIds[this.#count] = tokenId
		this.#weights[this.#count++] = weight
	}

	/**
	 * The token that the sampler would draw from `uniform`, a number in [0, 1), if these were its probabilities;
	 * for null the likeliest. To be asked once, of an outlook that is not empty.
	 */
	guess({ temperature, topK, topP, minP }: Filters, uniform: number | null): number {
		this.#sort(this.#weights, -1)
		const weights = this.#weights
		if (uniform === null) {
			let sum = 0
			for (let i = 0; i < this.#count; i++) sum += weights[i]!
			const share = weights[0]! / sum
			this.certainty = Math.min(CERTAINTIES - 1, Math.floor(share * CERTAINTIES))
			return this.#tokenIds[0]!
		}
		if (topK > 0) this.#count = Math.min(this.#count, topK)
		const largest = weights[0]!
		let sum = 0
		for (let i = 0; i < this.#count; i++) {
			weights[i] = (weights[i]! / largest) ** (1 / temperature)
			sum += weights[i]!
		}
		let kept = 0
		let mass = 0
		while (kept < this.#count && mass < topP * sum && weights[kept]! >= minP)
			mass += weights[kept++]!
		this.#count = kept
		this.#sort(this.#tokenIds, 1)
		return this.#drawn(uniform * mass, mass)
	}

	/** The first token at which the sum, by rising ids, exceeds the target. */
	#drawn(target: number, mass: number): number {
		let end = 0
		for (let i = 0; i < this.#count; i++) {
			const start = end
			end += this.#weights[i]!
			if (end <= target && i < this.#count - 1) continue
			const margin = Math.max(0, Math.min(target - start, end - target)) / mass
			// From about a 256th, two grades for each three powers of two.
			const grade = Math.floor(CERTAINTIES + 1.5 * Math.log2(2 * margin))
			this.certainty = Math.max(0, Math.min(CERTAINTIES - 1, grade))
			return this.#tokenIds[i]!
		}
		return this.#tokenIds[0]!
	}

	/** Sorts tokens and weights by one of them, rising (1) or falling (-1); there are a few only. */
	#sort(by: Int32Array | Float64Array, direction: 1 | -1): void {
		const [tokenIds, weights] = [this.#tokenIds, this.#weights]
		for (let i = 1; i < this.#count; i++) {
			const [tokenId, weight, key] = [tokenIds[i]!, weights[i]!, by[i]!]
			let at = i
			for (; at > 0 && (by[at - 1]! - key) * direction > 0; at--) {
				tokenIds[at] = tokenIds[at - 1]!
				weights[at] = weights[at - 1]!
			}
			tokenIds[at] = tokenId
			weights[at] = weight
		}
	}
}
