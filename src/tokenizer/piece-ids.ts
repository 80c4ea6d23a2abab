import type { PieceSpec } from './tokenizer.ts'

/** Ids by piece; of two equal ones the first. */
export function pieceIds({ vocab }: PieceSpec): Map<string, number> {
	const ids = new Map<string, number>()
	for (const [id, piece] of vocab.entries()) if (piece !== '' && !ids.has(piece)) ids.set(piece, id)
	return ids
}
