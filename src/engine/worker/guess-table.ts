/*
 * Which token came after the last few before, in earlier texts of a checkpoint and in this one. A bounded hash
 * table of guesses: where two contexts meet in one place, a guess is bad, and no more than that.
 */

/**
 * What a guess is looked up by: so many tokens before it and, of a draw, in which of so many equal parts of
 * [0, 1) its number lies. That is known beforehand, and the same token is drawn behind the same tokens from
 * numbers that are near each other.
 */
const CONTEXTS = [
	{ tokens: 4, parts: 1 },
	{ tokens: 3, parts: 1 },
	{ tokens: 2, parts: 1 },
	{ tokens: 1, parts: 1 },
	{ tokens: 3, parts: 4 },
	{ tokens: 2, parts: 8 },
	{ tokens: 1, parts: 32 },
] as const
/** Places of the table, nine bytes each; a power of two. */
const PLACES = 2 ** 18
/** How often a token came again is counted up to here. */
const REPEATS_MAX = 6

/** Kinds of guesses: by context, and by how often it was followed by the same token. */
export const GUESS_KINDS = CONTEXTS.length * REPEATS_MAX

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

	/**
	 * What may come behind the first `length` tokens, by what texts of the same salt have shown. `uniform`: the
	 * number in [0, 1) from which it will be drawn, if it is.
	 */
	guesses(salt: number, tokens: Int32Array, length: number, uniform: number | null): Guess[] {
		const found: Guess[] = []
		for (const i of CONTEXTS.keys()) {
			const check = contextHash(salt, tokens, length, i, uniform)
			const place = placeOf(check)
			if (check === 0 || this.#checks[place] !== check) continue
			const kind = i * REPEATS_MAX + this.#repeats[place]! - 1
			found.push({ tokenId: this.#tokenIds[place]!, kind })
		}
		return found
	}

	/** Remembers which token stands at `index`, behind those before it, and from which number it was drawn. */
	learn(salt: number, tokens: Int32Array, index: number, uniform: number | null): void {
		const tokenId = tokens[index]!
		for (const i of CONTEXTS.keys()) {
			const check = contextHash(salt, tokens, index, i, uniform)
			if (check === 0) continue
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

/** Of what the n-th of the contexts takes of the tokens before `end` and of the number; 0 where there is too little. */
function contextHash(
	salt: number,
	tokens: Int32Array,
	end: number,
	n: number,
	uniform: number | null,
): number {
	const context = CONTEXTS[n]!
	if (end < context.tokens || (context.parts > 1 && uniform === null)) return 0
	const part = uniform === null ? 0 : Math.floor(uniform * context.parts)
	let hash = Math.imul(salt + n, 0x9e3779b1) ^ part
	for (let i = end - context.tokens; i < end; i++) {
		hash = Math.imul(hash ^ tokens[i]!, 0x85ebca6b)
		hash ^= hash >>> 15
	}
	return hash === 0 ? 1 : hash
}

function placeOf(check: number): number {
	return (Math.imul(check, 0xc2b2ae35) >>> 8) % PLACES
}
