import { rowBytes, type TokenRow, type TokenState } from './token-state.ts'

/** Bytes of the rows that the worker keeps for one model. */
const SENT_BYTES_MAX = 32 * 1024 * 1024

/** A row on its way to the worker. */
export interface SentRow extends TokenRow {
	readonly stateId: number
}

/** Which rows of constrained decoding the worker has of one model. */
export class SentRows {
	readonly #ids = new Set<number>()
	#bytes = 0

	/** More would be too many: the worker has to forget those that it has. */
	get isFull(): boolean {
		return this.#bytes > SENT_BYTES_MAX
	}

	has({ id }: TokenState): boolean {
		return this.#ids.has(id)
	}

	/** The rows of these states that are not there; they count as sent. */
	missing(states: readonly TokenState[]): SentRow[] {
		return states.flatMap(({ id, row }) => {
			if (this.#ids.has(id)) return []
			this.#ids.add(id)
			this.#bytes += rowBytes(row)
			return [{ stateId: id, ...row }]
		})
	}

	clear(): void {
		this.#ids.clear()
		this.#bytes = 0
	}
}
