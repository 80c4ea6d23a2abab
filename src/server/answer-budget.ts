import { ByteBudget } from './byte-budget.ts'
import { type Garbage, SHORT_BYTES_MAX } from './garbage.ts'

/** Requests with long answers that may wait for room. */
const WAITING_MAX = 1000

/**
 * What long answers together may take of the memory. How long one becomes at most is known before it is
 * made; it is there until it has left, and its texts and values until they are collected.
 */
export class AnswerBudget {
	readonly #budget: ByteBudget
	readonly #garbage: Garbage

	/** For so many bytes of answers, each of which waits so many milliseconds at most. */
	constructor(
		{ answersBytesMax, answerWaitMsMax }: { answersBytesMax: number; answerWaitMsMax: number },
		garbage: Garbage,
	) {
		this.#budget = new ByteBudget({
			bytesMax: answersBytesMax,
			waitingMax: WAITING_MAX,
			waitMsMax: answerWaitMsMax,
			refusal: 'The server is overloaded: too many long answers are under way.',
		})
		this.#garbage = garbage
	}

	/**
	 * Waits for room for an answer of at most so many bytes, until it is disposed of; null for short ones,
	 * which need none. Throws Fault `overloaded`.
	 */
	async take(bytes: number): Promise<DisposableStack | null> {
		if (bytes <= SHORT_BYTES_MAX) return null
		const held = new DisposableStack()
		held.use(await this.#budget.take(bytes))
		held.defer(() => this.#garbage.add(bytes))
		await this.#garbage.makeRoom(bytes)
		return held
	}
}
