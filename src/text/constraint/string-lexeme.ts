import type { Alphabet } from './alphabet.ts'
import { allowsNoneBetween, type Lexeme } from './lexeme.ts'
import { isStringContent } from './token-index.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
/** Characters that may follow a backslash; `\u` is left out, the character itself will do. */
const ESCAPES: ReadonlySet<number> = new Set([...'"\\/bfnrt'].map((char) => char.charCodeAt(0)))

/**
 * A JSON string, quotes included, of `lengthMin` to `lengthMax` (maybe Infinity) characters, or
 * undefined where the vocabulary cannot write one.
 */
export function stringLexeme(
	alphabet: Alphabet,
	lengthMin: number,
	lengthMax: number,
): Lexeme | undefined {
	const isPossible =
		lengthMin <= lengthMax &&
		alphabet.isSpelled(QUOTE) &&
		(lengthMin === 0 || alphabet.spellsStringContent)
	if (!isPossible) return undefined
	const format = new StringFormat(lengthMin, lengthMax, alphabet.spellsStringContent)
	return {
		accepts: false,
		nextCost: 1 + format.inside(0).nextCost,
		hasSpelledNext: true,
		unspelledNext: null,
		isStandIn: false,
		contentRoom: 0,
		next: (codePoint) => (codePoint === QUOTE ? format.inside(0) : undefined),
		allowsBetween: allowsNoneBetween,
	}
}

const END: Lexeme = {
	accepts: true,
	nextCost: Number.POSITIVE_INFINITY,
	hasSpelledNext: false,
	unspelledNext: null,
	isStandIn: false,
	contentRoom: 0,
	next: () => undefined,
	allowsBetween: allowsNoneBetween,
}

class StringFormat {
	readonly #lengthMin: number
	readonly #lengthMax: number
	readonly #spellsContent: boolean
	readonly #places = new Map<number, Lexeme>()

	constructor(lengthMin: number, lengthMax: number, spellsContent: boolean) {
		this.#lengthMin = lengthMin
		this.#lengthMax = lengthMax
		this.#spellsContent = spellsContent
	}

	/** The place after `count` characters; without a maximum, counting ends at the minimum. */
	inside(count: number): Lexeme {
		const counted =
			this.#lengthMax === Number.POSITIVE_INFINITY ? Math.min(count, this.#lengthMin) : count
		let place = this.#places.get(counted)
		if (place === undefined) {
			place = this.#makePlace(counted)
			this.#places.set(counted, place)
		}
		return place
	}

	#makePlace(count: number): Lexeme {
		const mayEnd = count >= this.#lengthMin
		const mayGrow = count < this.#lengthMax
		const nextCost = Math.max(0, this.#lengthMin - count) + 1
		const escaped: Lexeme = {
			accepts: false,
			nextCost: nextCost + 1,
			hasSpelledNext: true,
			unspelledNext: null,
			isStandIn: false,
			contentRoom: 0,
			next: (codePoint) => (ESCAPES.has(codePoint) ? this.inside(count + 1) : undefined),
			allowsBetween: allowsNoneBetween,
		}
		return {
			accepts: false,
			nextCost,
			hasSpelledNext: mayEnd || this.#spellsContent,
			unspelledNext: null,
			isStandIn: false,
			contentRoom: mayGrow ? this.#lengthMax - count : 0,
			allowsBetween: () => mayGrow,
			next: (codePoint) => {
				if (codePoint === QUOTE) return mayEnd ? END : undefined
				if (!mayGrow) return undefined
				if (codePoint === BACKSLASH) return escaped
				return isStringContent(codePoint) ? this.inside(count + 1) : undefined
			},
		}
	}
}
