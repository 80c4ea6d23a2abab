/*
 * What a model thinks of the next token behind the last few, in earlier texts and in this one: the mean of the
 * probabilities that it gave. Wherever some tokens came before, all of what may follow is known and not only what was
 * drawn. A bounded hash table: where two contexts meet in one place, a guess is bad, and no more than that.
 */
import { Outlook } from './outlook.ts'

/** Tokens before the next one that make a context; the longer ones speak first. */
const CONTEXT_TOKENS = [4, 3, 2, 1] as const
/** Tokens that are remembered of a context, the likeliest. */
export const LIKELY_MAX = 8
/** Places of the table, 69 bytes each; a power of two. */
const PLACES = 2 ** 16
/** How often a context came is counted up to here; later ones count as much as if it had come so often. */
const COUNT_MAX = 255

/** How often a context came, in grades: once, two times, four times, eight times and more. */
const COUNT_GRADES = 4

/** Degrees of experience: by the longest context that is known, and by how often it came. */
export const EXPERIENCES = CONTEXT_TOKENS.length * COUNT_GRADES

/** The likeliest next tokens, with probabilities, or as shares of what they have together. */
export interface Likely {
	readonly count: number
	readonly tokenIds: Int32Array
	readonly shares: Float32Array
}

export class GuessTable {
	/** Of the context in each place; 0 of an empty one. */
	readonly #checks = new Int32Array(PLACES)
	readonly #counts = new Uint8Array(PLACES)
	/** [PLACES, LIKELY_MAX] */
	readonly #tokenIds = new Int32Array(PLACES * LIKELY_MAX)
	readonly #shares = new Float32Array(PLACES * LIKELY_MAX)
	/** Of what was looked at last. */
	readonly outlook = new Outlook(CONTEXT_TOKENS.length * LIKELY_MAX)

	/**
	 * Sets `outlook` to what may come behind the first `length` tokens, by what texts of the same salt have shown.
	 * Returns the experience behind it, below `EXPERIENCES`, or null without any.
	 */
	look(salt: number, tokens: Int32Array, length: number): number | null {
		this.outlook.clear()
		let experience: number | null = null
		let left = 1
		for (let i = 0; i < CONTEXT_TOKENS.length; i++) {
			const place = this.#placeOf(contextHash(salt, tokens, length, i))
			if (place === null) continue
			const count = this.#counts[place]!
			experience ??= i * COUNT_GRADES + Math.min(COUNT_GRADES - 1, 31 - Math.clz32(count))
			// What came once is trusted as much as all that shorter contexts say.
			const weight = left * (count / (count + 1))
			left -= weight
			const begin = place * LIKELY_MAX
			for (let at = begin; at < begin + LIKELY_MAX; at++) {
				const share = this.#shares[at]!
				if (share > 0) this.outlook.add(this.#tokenIds[at]!, weight * share)
			}
		}
		return experience
	}

	/** Remembers what is likely behind the first `length` tokens. */
	learn(salt: number, tokens: Int32Array, length: number, likely: Likely): void {
		for (let i = 0; i < CONTEXT_TOKENS.length; i++) {
			const check = contextHash(salt, tokens, length, i)
			if (check === 0) continue
			const place = placeOf(check)
			if (this.#checks[place] !== check && !this.#clear(place, check)) continue
			this.#counts[place] = Math.min(this.#counts[place]! + 1, COUNT_MAX)
			this.#mix(place * LIKELY_MAX, likely, 1 / this.#counts[place]!)
		}
	}

	/** Where the context is remembered; null where it is not. */
	#placeOf(check: number): number | null {
		const place = placeOf(check)
		return check !== 0 && this.#checks[place] === check ? place : null
	}

	/** Makes a place free for another context, unless the one in it came too often for that. */
	#clear(place: number, check: number): boolean {
		this.#counts[place]! >>= 1
		if (this.#counts[place]! > 0) return false
		this.#checks[place] = check
		return true
	}

	/** Moves the shares of a place by so much, all at most, towards those of `likely`; the least gives way to a new one. */
	#mix(begin: number, { count, tokenIds, shares }: Likely, weight: number): void {
		const end = begin + LIKELY_MAX
		for (let at = begin; at < end; at++) this.#shares[at]! *= 1 - weight
		for (let i = 0; i < count; i++) {
			const share = weight * shares[i]!
			let place = begin
			for (let at = begin; at < end && this.#tokenIds[place] !== tokenIds[i]; at++) {
				const isBetter =
					this.#tokenIds[at] === tokenIds[i] || this.#shares[at]! < this.#shares[place]!
				if (isBetter) place = at
			}
			if (this.#tokenIds[place] === tokenIds[i]) {
				this.#shares[place]! += share
			} else if (this.#shares[place]! < share) {
				this.#tokenIds[place] = tokenIds[i]!
				this.#shares[place] = share
			}
		}
	}
}

/** Of what the n-th of the contexts takes of the tokens before `end`; 0 where there are too few. */
function contextHash(salt: number, tokens: Int32Array, end: number, n: number): number {
	const begin = end - CONTEXT_TOKENS[n]!
	if (begin < 0) return 0
	let hash = Math.imul(salt * CONTEXT_TOKENS.length + n + 1, 0x9e3779b1)
	for (let i = begin; i < end; i++) {
		hash = Math.imul(hash ^ tokens[i]!, 0x85ebca6b)
		hash ^= hash >>> 15
	}
	return hash === 0 ? 1 : hash
}

function placeOf(check: number): number {
	return (Math.imul(check, 0xc2b2ae35) >>> 8) % PLACES
}
