import { forEachInSteps, type Steps } from '../lib/steps.ts'
import { idsBeyondModel } from './added-tokens.ts'
import type { PieceSpec } from './tokenizer.ts'

/** Ids of the model's own pieces; of two equal ones the first. */
export function* pieceIds({ vocab, addedTokens }: PieceSpec): Steps<Map<string, number>> {
	const beyond = idsBeyondModel(addedTokens)
	const ids = new Map<string, number>()
	yield* forEachInSteps(vocab, (piece, id) => {
		if (piece !== '' && !beyond.has(id) && !ids.has(piece)) ids.set(piece, id)
	})
	return ids
}
