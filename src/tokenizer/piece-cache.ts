/** Pieces whose ids are remembered; a text repeats its words. */
const CACHED_PIECES_MAX = 2 ** 15
/** Longest piece that is remembered, in UTF-16 units. */
const CACHED_LENGTH_MAX = 64

/** Ids of the pieces that were met last, roughly. */
export class PieceCache {
	readonly #ids = new Map<string, readonly number[]>()

	get(piece: string): readonly number[] | undefined {
		return this.#ids.get(piece)
	}

	set(piece: string, ids: readonly number[]): void {
		if (piece.length > CACHED_LENGTH_MAX) return
		if (this.#ids.size === CACHED_PIECES_MAX) this.#ids.clear()
		this.#ids.set(piece, ids)
	}
}
