/**
 * Constrained decoding as the engine sees it: states with the tokens that may come there and the state after
 * each. Who makes them knows what they mean; the engine sees numbers and bits.
 */

import type { Steps } from '../lib/steps.ts'

/** Where a text is; the same state is the same object. */
export interface TokenState {
	/** Unique in the process. */
	readonly id: number
	/** Made when first asked for, which may take milliseconds; `makeRow` makes it in steps. */
	readonly row: TokenRow
	/** Some states that may come next, to be sent ahead. Made with the row. */
	readonly near: readonly TokenState[]
	makeRow(): Steps<void>
}

export interface TokenRow {
	/** Ids that may come: bit i of word i >> 5, as many bits as the model has logits. */
	readonly mask: Uint32Array
	/** Null: not listed; the caller says after each token where the choice is. */
	readonly next: TokenSuccessors | null
}

/** The state after each token. */
export interface TokenSuccessors {
	/** Ascending. */
	readonly tokenIds: Int32Array
	/** Ids of the states after them. */
	readonly stateIds: Int32Array
	/** The state after every other token that may come; 0: there is none. */
	readonly otherwise: number
}

/** Id of the state after a token that the row allows. */
export function stateAfter({ tokenIds, stateIds, otherwise }: TokenSuccessors, id: number): number {
	let [low, high] = [0, tokenIds.length]
	while (low < high) {
		const middle = (low + high) >> 1
		if (tokenIds[middle]! < id) low = middle + 1
		else high = middle
	}
	return tokenIds[low] === id ? stateIds[low]! : otherwise
}

/** Bytes that a row takes. */
export function rowBytes({ mask, next }: TokenRow): number {
	return mask.byteLength + (next === null ? 0 : next.tokenIds.byteLength * 2)
}
