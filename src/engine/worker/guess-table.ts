/*
 * Which token came after the last few before, in earlier texts of a checkpoint and in this one. A bounded hash
 * table of guesses: where two contexts meet in one place, a guess is bad, and no more than that.
 */

/** Tokens of context that are looked up, longest first. */
const ORDERS = [4, 3, 2, 1] as const
/** Places of the table, nine bytes each; a power of two. */
const PLACES = 2 ** 17
/** How often a token came again is counted up to here. */
const REPEATS_MAX = 6

/** Kinds of guesses: by length of the context, and by how often it was followed by the same token. */
export const GUESS_KINDS = ORDERS.length * REPEATS_MAX

export interface Guess {
	readonly tokenId: number
	/** How much experience speaks for it; below `GUESS_KINDS`. */
	readonly kind: number
}

export class GuessTable {
	/** Of the context in each place; 0 of an empty one. */
	readonly #checks = new Int32Array(PLACES)
	readonly #tokenIds = new Int32Array(PLACES)
	readonly #repeats = new Uint8Array(PLACES)

	/** What may come behind the first `length` tokens, by what texts of the same salt have shown. */
	guesses(salt: number, tokens: Int32Array, length: number): Guess[] {
		const found: Guess[] = []
		for (const [i, order] of ORDERS.entries()) {
			if (length < order) continue
			const check = contextHash(salt, tokens, length, order)
			const place = placeOf(check)
			if (this.#checks[place] !== check) continue
			const kind = i * REPEATS_MAX + this.#repeats[place]! - 1
			found.push({ tokenId: this.#tokenIds[place]!, kind })
		}
		return found
	}

	/** Remembers which token stands at `index`, behind those before it. */
	learn(salt: number, tokens: Int32Array, index: number): void {
		const tokenId = tokens[index]!
		for (const order of ORDERS) {
			if (index < order) continue
			const check = contextHash(salt, tokens, index, order)
			const place = placeOf(check)
			const repeats = this.#repeats[place]!
			if (this.#checks[place] !== check) {
				this.#checks[place] = check
				this.#tokenIds[place] = tokenId
				this.#repeats[place] = 1
			} else if (this.#tokenIds[place] === tokenId) {
				this.#repeats[place] = Math.min(repeats + 1, REPEATS_MAX)
			} else if (repeats > 1) {
				// What came more often stays for a while.
				this.#repeats[place] = repeats - 1
			} else {
				this.#tokenIds[place] = tokenId
			}
		}
	}
}

/** Of the `order` tokens that end before `end`; never 0. */
function contextHash(salt: number, tokens: Int32Array, end: number, order: number): number {
	let hash = Math.imul(salt + order, 0x9e3779b1)
	for (let i = end - order; i < end; i++) {
		hash = Math.imul(hash ^ tokens[i]!, 0x85ebca6b)
		hash ^= hash >>> 15
	}
	return hash === 0 ? 1 : hash
}

function placeOf(check: number): number {
	return (Math.imul(check, 0xc2b2ae35) >>> 8) % PLACES
}
