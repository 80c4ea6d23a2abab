import { codePointsOf, isStringContent, type TokenIndex } from './token-index.ts'

/** Cost of a character that no token can write alone: any way around it is better. */
const UNSPELLED_COST = 1000

/**
 * Which characters a model can write. A character is *spelled* when a token is just this character:
 * then the model can take it wherever it is allowed.
 */
export class Alphabet {
	/** A JSON string can have contents. */
	readonly spellsStringContent: boolean
	readonly #spelled = new Set<number>()

	/** Tokens that end a text spell nothing. */
	constructor(index: TokenIndex, stopTokenIds: readonly number[]) {
		for (const [character, ids] of index.characters) {
			if (ids.some((id) => !stopTokenIds.includes(id))) this.#spelled.add(character)
		}
		this.spellsStringContent = [...this.#spelled].some(isStringContent)
	}

	/** The spelled characters. */
	get spelled(): ReadonlySet<number> {
		return this.#spelled
	}

	isSpelled(codePoint: number): boolean {
		return this.#spelled.has(codePoint)
	}

	/** Whether all characters of `text` are spelled. */
	spells(text: string): boolean {
		return codePointsOf(text).every((codePoint) => this.isSpelled(codePoint))
	}

	costOf(codePoint: number): number {
		return this.isSpelled(codePoint) ? 1 : UNSPELLED_COST
	}
}
