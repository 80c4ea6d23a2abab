import type { SentRow } from '../sent-rows.ts'
import { stateAfter, type TokenRow } from '../token-state.ts'
import type { Sequence } from './sequence.ts'

/** Where a sequence is; its row is kept while it draws, even if all are to be forgotten meanwhile. */
interface StateOfSequence {
	readonly stateId: number
	row: TokenRow | null
}

/** Rows of constrained decoding, and where the sequences that need them are. */
export class TokenRows {
	readonly #rows = new Map<number, TokenRow>()
	readonly #states = new WeakMap<Sequence, StateOfSequence>()

	add(rows: readonly SentRow[]): void {
		for (const { stateId, mask, next } of rows) this.#rows.set(stateId, { mask, next })
	}

	forget(): void {
		this.#rows.clear()
	}

	/** Says where a sequence is. */
	moveTo(sequence: Sequence, stateId: number): void {
		this.#states.set(sequence, { stateId, row: null })
		this.lookUp(sequence)
	}

	/** Lets a sequence draw if the row of its state is there. */
	lookUp(sequence: Sequence): void {
		const state = this.#states.get(sequence)
		if (state === undefined) return
		state.row = this.#rows.get(state.stateId) ?? null
		sequence.mask = state.row?.mask ?? null
	}

	/** Moves a sequence past a token that it drew, if its row says where to. */
	advance(sequence: Sequence, tokenId: number): void {
		const next = this.#states.get(sequence)?.row?.next ?? null
		if (next === null) this.#states.delete(sequence)
		else this.moveTo(sequence, stateAfter(next, tokenId))
	}
}
