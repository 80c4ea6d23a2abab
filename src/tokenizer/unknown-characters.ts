import type { PieceSpec } from './tokenizer.ts'

const utf8 = new TextEncoder()

/** What is written for characters that no piece has: their bytes, or the unknown token. */
export class UnknownCharacters {
	readonly #byteIds: readonly number[]
	readonly #unknownId: number | null
	readonly #fuses: boolean

	constructor({ byteIds, unknownId, fusesUnknown }: PieceSpec) {
		this.#byteIds = byteIds
		this.#unknownId = unknownId
		this.#fuses = fusesUnknown
	}

	/** `isNext`: an unknown character stands right before. */
	write(ids: number[], character: string, isNext: boolean): void {
		if (this.#byteIds.length > 0) {
			for (const byte of utf8.encode(character)) ids.push(this.#byteIds[byte]!)
		} else if (this.#unknownId !== null && !(isNext && this.#fuses)) {
			ids.push(this.#unknownId)
		}
	}

	/** For a whole word. */
	word(): number[] {
		return this.#unknownId === null ? [] : [this.#unknownId]
	}
}
