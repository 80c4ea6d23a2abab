import { STEP_UNITS, type Steps } from '../lib/steps.ts'
import { MergeQueue } from './merge-queue.ts'

/** Merges neighbouring tokens: the pair of the lowest rank first, of equal ones the leftmost. O(n log n). */
export class PairMerger {
	readonly #idCount: number
	/** By pair: which merge it is. */
	readonly #merges = new Map<number, number>()
	readonly #ranks: number[] = []
	readonly #results: number[] = []

	/** `idCount`: ids of tokens and results are below it. */
	constructor(idCount: number) {
		this.#idCount = idCount
	}

	/** Of several merges of one pair the first counts. Ranks may repeat. */
	add(left: number, right: number, result: number, rank: number): void {
		const pair = this.#pairKey(left, right)
		if (this.#merges.has(pair)) return
		this.#merges.set(pair, this.#ranks.length)
		this.#ranks.push(rank)
		this.#results.push(result)
	}

	/** What is left of `tokens` when nothing more merges. */
	*merge(tokens: number[]): Steps<number[]> {
		if (tokens.length < 2) return tokens
		const next = new Int32Array(tokens.length)
		const previous = new Int32Array(tokens.length)
		// Each merge takes one entry and adds two at most.
		const queue = new MergeQueue(2 * tokens.length, 'plain')
		const mergeOf = (left: number, right: number) =>
			this.#merges.get(this.#pairKey(tokens[left]!, tokens[right]!))
		const offer = (left: number, right: number) => {
			if (left < 0 || right >= tokens.length) return
			const merge = mergeOf(left, right)
			if (merge !== undefined) queue.push(this.#ranks[merge]!, left)
		}
		for (let at = 0; at < tokens.length; at++) {
			next[at] = at + 1
			previous[at] = at - 1
			offer(at, at + 1)
			if ((at + 1) % STEP_UNITS === 0) yield
		}
		for (let unit = 1; !queue.isEmpty; unit++) {
			if (unit % STEP_UNITS === 0) yield
			const rank = queue.topRank
			const at = queue.pop()
			const right = next[at]!
			// An entry whose tokens have merged otherwise since is stale.
			if (tokens[at]! < 0 || right >= tokens.length) continue
			const merge = mergeOf(at, right)
			if (merge === undefined || this.#ranks[merge] !== rank) continue
			tokens[at] = this.#results[merge]!
			tokens[right] = -1
			const after = next[right]!
			next[at] = after
			if (after < tokens.length) previous[after] = at
			offer(previous[at]!, at)
			offer(at, after)
		}
		return tokens.filter((token) => token >= 0)
	}

	#pairKey(left: number, right: number): number {
		return left * this.#idCount + right
	}
}
