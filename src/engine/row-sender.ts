import { inSlices, type Steps } from '../lib/steps.ts'
import type { ToWorker } from './messages.ts'
import { SentRows } from './sent-rows.ts'
import type { TokenState } from './token-state.ts'

/** A choice of a request that runs on a model. */
interface ChoiceKey {
	readonly requestId: number
	readonly modelKey: number
	readonly choice: number
}

interface StateOfChoice {
	readonly modelKey: number
	readonly state: TokenState
}

/** States whose neighbours' rows are still to be sent; of more the oldest are of no use any more. */
const AHEAD_COUNT_MAX = 64

/**
 * Constrained decoding: sends the worker rows before it needs them, and says where choices are. A row may
 * take milliseconds to make, so all are made in slices.
 */
export class RowSender {
	readonly #post: (message: ToWorker) => void
	/** Where the choices of constrained requests are, by request and choice. */
	readonly #states = new Map<number, Map<number, StateOfChoice>>()
	/** By model key. */
	readonly #sentRows = new Map<number, SentRows>()
	/** States whose neighbours come next, the latest last. */
	readonly #ahead: StateOfChoice[] = []
	#isSendingAhead = false

	constructor(post: (message: ToWorker) => void) {
		this.#post = post
	}

	/** Sends what the worker needs to draw the next token of a choice and does not have. */
	async moveTo(choice: ChoiceKey, state: TokenState): Promise<void> {
		const { requestId, modelKey } = choice
		const states = this.#states.get(requestId) ?? new Map<number, StateOfChoice>()
		this.#states.set(requestId, states)
		const before = states.get(choice.choice)?.state
		states.set(choice.choice, { modelKey, state })
		if (!this.#sentOf(modelKey).has(state)) {
			await inSlices(state.makeRow())
			const isStillThere = this.#states.get(requestId)?.get(choice.choice)?.state === state
			if (!isStillThere) return
			this.#sendRows(modelKey, state)
		}
		// After the first state the worker moves on by itself, as far as rows say where to.
		if (before === undefined || before.row.next === null) {
			this.#post({ type: 'move-to', ...choice, stateId: state.id })
		}
	}

	/** A request has ended. */
	forgetRequest(requestId: number): void {
		this.#states.delete(requestId)
	}

	/** A model is unloaded, and its rows with it. */
	forgetModel(modelKey: number): void {
		this.#sentRows.delete(modelKey)
	}

	#sentOf(modelKey: number): SentRows {
		const sent = this.#sentRows.get(modelKey) ?? new SentRows()
		this.#sentRows.set(modelKey, sent)
		return sent
	}

	/** Sends the row of a state, which has been made, and those of its neighbours after it. */
	#sendRows(modelKey: number, state: TokenState): void {
		const sent = this.#sentOf(modelKey)
		if (sent.has(state)) return
		this.#send(modelKey, sent, state)
		this.#ahead.push({ modelKey, state })
		if (this.#ahead.length > AHEAD_COUNT_MAX) this.#ahead.shift()
		if (this.#isSendingAhead) return
		this.#isSendingAhead = true
		const isDone = inSlices(this.#sendAhead()).finally(() => {
			this.#isSendingAhead = false
		})
		// Thrown again where the row is needed.
		isDone.catch(() => {})
	}

	*#sendAhead(): Steps<void> {
		for (let next = this.#ahead.pop(); next !== undefined; next = this.#ahead.pop()) {
			const { modelKey, state } = next
			for (const near of state.near) {
				if (this.#sentRows.get(modelKey)?.has(near) ?? true) continue
				yield* near.makeRow()
				const sent = this.#sentRows.get(modelKey)
				if (sent === undefined) break
				this.#send(modelKey, sent, near)
				yield
			}
		}
	}

	#send(modelKey: number, sent: SentRows, state: TokenState): void {
		this.#post({ type: 'rows', modelKey, rows: sent.missing([state]) })
		if (!sent.isFull) return
		sent.clear()
		this.#post({ type: 'forget-rows', modelKey })
		const choices = [...this.#states.values()].flatMap((states) => [...states.values()])
		const running = choices.filter((it) => it.modelKey === modelKey).map((it) => it.state)
		this.#post({ type: 'rows', modelKey, rows: sent.missing(running) })
	}
}
