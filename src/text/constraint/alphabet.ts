import { codePointsOf, isStringContent, type TokenIndex } from './token-index.ts'

/** Cost of a character that no token can write alone: any way around it is better. */
const UNSPELLED_COST = 1000

/** The first character whose bytes are several. */
export const BEYOND_ASCII = 0x80

/**
 * Which characters a model can write. A character is *spelled* when a token is just this character, or when
 * tokens are its bytes: then the model can take it wherever it is allowed.
 */
export class Alphabet {
	/** A JSON string can have contents. */
	readonly spellsStringContent: boolean
	/** Characters beyond ASCII can be written byte by byte. */
	readonly spellsBytes: boolean
	readonly #spelled = new Set<number>()

	/** Tokens that end a text spell nothing. */
	constructor(index: TokenIndex, stopTokenIds: readonly number[]) {
		for (const [character, ids] of index.characters) {
			if (ids.some((id) => !stopTokenIds.includes(id))) this.#spelled.add(character)
		}
		this.spellsBytes = index.spellsBytes
		this.spellsStringContent = this.spellsBytes || [...this.#spelled].some(isStringContent)
	}

	/** The spelled characters, but for those that only bytes spell. */
	get spelled(): ReadonlySet<number> {
		return this.#spelled
	}

	isSpelled(codePoint: number): boolean {
		return this.#spelled.has(codePoint) || (this.spellsBytes && codePoint >= BEYOND_ASCII)
	}

	/** Whether all characters of `text` are spelled. */
	spells(text: string): boolean {
		return codePointsOf(text).every((codePoint) => this.isSpelled(codePoint))
	}

	costOf(codePoint: number): number {
		return this.isSpelled(codePoint) ? 1 : UNSPELLED_COST
	}
}
