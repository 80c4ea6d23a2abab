import { idsBeyondModel } from './added-tokens.ts'
import type { PieceSpec } from './tokenizer.ts'

/** Ids of the model's own pieces; of two equal ones the first. */
export function pieceIds({ vocab, addedTokens }: PieceSpec): Map<string, number> {
	const beyond = idsBeyondModel(addedTokens)
	const ids = new Map<string, number>()
	for (const [id, piece] of vocab.entries()) {
		if (piece !== '' && !beyond.has(id) && !ids.has(piece)) ids.set(piece, id)
	}
	return ids
}
