import type { Tokenizer } from '../tokenizer.ts'

/** Stands for every character that the grammar does not tell apart: some letter in a JSON string. */
export const OTHER_CHARACTER = -1

/** Cost of a character that no token can write alone: any way around it is better. */
const UNSPELLED_COST = 1000
/** Tokens beyond this many UTF-16 units are never used. */
const TOKEN_LENGTH_MAX = 256
/** Characters of JSON's own syntax, and the blank. */
const JSON_CHARACTERS = '{}[]:,"\\/ -.0123456789truefalsenullb'

/** A token that constrained text may contain. */
export interface SpellingToken {
	readonly id: number
	readonly codePoints: readonly number[]
}

/**
 * The characters of a model's vocabulary as a grammar sees them.
 *
 * A character is *spelled* when one token is just this character: then the model can always take it.
 * A *symbol* is a code point that the grammar distinguishes, or OTHER_CHARACTER for all the rest.
 */
export class Alphabet {
	readonly tokens: readonly SpellingToken[]
	/** A JSON string can have contents. */
	readonly spellsStringContent: boolean
	readonly #spelled = new Set<number>()
	readonly #distinguished = new Set<number>(codePointsOf(JSON_CHARACTERS))

	/** Tokens that are reserved, that end a text, or that hold control characters are left out. */
	constructor(tokenizer: Tokenizer, stopTokenIds: readonly number[]) {
		const { vocab, specialTokens } = tokenizer.spec
		const excludedTexts = new Set(specialTokens)
		const excludedIds = new Set(stopTokenIds)
		const tokens: SpellingToken[] = []
		for (const [id, stored] of vocab.entries()) {
			if (excludedTexts.has(stored) || excludedIds.has(id)) continue
			const text = tokenizer.tokenText(id)
			if (text === '' || text.length > TOKEN_LENGTH_MAX) continue
			const codePoints = codePointsOf(text)
			if (codePoints.some((codePoint) => codePoint < 0x20)) continue
			tokens.push({ id, codePoints })
			if (codePoints.length === 1) this.#spelled.add(codePoints[0]!)
		}
		this.tokens = tokens
		this.spellsStringContent = [...this.#spelled].some(isStringContent)
	}

	isSpelled(codePoint: number): boolean {
		return this.#spelled.has(codePoint)
	}

	/** Whether a token exists for each character of `text`. */
	spells(text: string): boolean {
		return codePointsOf(text).every((codePoint) => this.isSpelled(codePoint))
	}

	costOf(codePoint: number): number {
		return this.isSpelled(codePoint) ? 1 : UNSPELLED_COST
	}

	/** Makes a character a symbol of its own; before the first `symbolOf`. */
	distinguish(codePoint: number): void {
		this.#distinguished.add(codePoint)
	}

	symbolOf(codePoint: number): number {
		return this.#distinguished.has(codePoint) ? codePoint : OTHER_CHARACTER
	}
}

/** Whether a symbol may stand in a JSON string as it is. */
export function isStringContent(symbol: number): boolean {
	return symbol === OTHER_CHARACTER || (symbol >= 0x20 && symbol !== 0x22 && symbol !== 0x5c)
}

export function codePointsOf(text: string): number[] {
	return Array.from(text, (character) => character.codePointAt(0)!)
}
