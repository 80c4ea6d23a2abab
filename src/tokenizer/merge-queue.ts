/** A merge's key is rank * RANK_UNIT, plus the position where positions order equal ranks. */
const RANK_UNIT = 2 ** 32

/**
 * Binary min-heap of possible merges, as flat arrays sized once.
 *
 * The `queue` order compares ranks only, so which of several equal ranks comes first is decided by
 * the heap itself: its moves (up while the parent is strictly larger; down to a child that is
 * strictly smaller, the left one tried first) are the trainer's, not a choice.
 * The `plain` order compares (rank, position), which leaves no ties.
 */
export class MergeQueue {
	readonly #keys: Float64Array
	readonly #positions: Int32Array
	readonly #positionWeight: 0 | 1
	#length = 0

	/** Pushes beyond `capacity` entries are dropped. */
	constructor(capacity: number, order: 'plain' | 'queue') {
		this.#keys = new Float64Array(capacity)
		this.#positions = new Int32Array(capacity)
		this.#positionWeight = order === 'plain' ? 1 : 0
	}

	get isEmpty(): boolean {
		return this.#length === 0
	}

	get topRank(): number {
		return Math.floor(this.#keys[0]! / RANK_UNIT)
	}

	push(rank: number, position: number): void {
		if (this.#length === this.#keys.length) return
		const keys = this.#keys
		const key = rank * RANK_UNIT + position * this.#positionWeight
		let at = this.#length++
		while (at > 0) {
			const parent = (at - 1) >> 1
			if (keys[parent]! <= key) break
			this.#move(parent, at)
			at = parent
		}
		keys[at] = key
		this.#positions[at] = position
	}

	/** Removes the smallest entry and returns its position. */
	pop(): number {
		const keys = this.#keys
		const top = this.#positions[0]!
		const last = --this.#length
		const key = keys[last]!
		const position = this.#positions[last]!
		let at = 0
		for (;;) {
			const left = 2 * at + 1
			if (left >= last) break
			const right = left + 1
			let smallest = at
			let smallestKey = key
			if (keys[left]! < smallestKey) {
				smallest = left
				smallestKey = keys[left]!
			}
			if (right < last && keys[right]! < smallestKey) smallest = right
			if (smallest === at) break
			this.#move(smallest, at)
			at = smallest
		}
		keys[at] = key
		this.#positions[at] = position
		return top
	}

	#move(from: number, to: number): void {
		this.#keys[to] = this.#keys[from]!
		this.#positions[to] = this.#positions[from]!
	}
}
