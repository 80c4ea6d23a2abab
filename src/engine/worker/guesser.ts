import { GUESS_KINDS, GuessTable } from './guess-table.ts'
import type { Sequence } from './sequence.ts'
import type { StepCosts } from './step-costs.ts'

/** Most tokens that are guessed for one sequence in a step. */
const GUESSES_MAX = 7
/** A guess has to be worth so many times what its row costs: costs are measured, and texts change. */
const WORTH_MIN = 1.25
/** What is thought of guesses before any was seen to be right or wrong. */
const FIRST_RATE = 0.25
/** How much one more guess counts, for its sequence and for those that begin later. */
const RATE_WEIGHT = 1 / 32
const COMMON_RATE_WEIGHT = 1 / 128

/** How often guesses of each kind were right. */
type Rates = Float64Array

/** The number in [0, 1) from which a choice draws its token with this index. */
export type DrawNumber = (seed: number, choice: number, index: number) => number

/**
 * Guesses which tokens a sequence will draw next, so that one step can compute several of its rows. A guess is
 * right when the draw gives the same token: draws depend on seed and position alone, so guesses never
 * change a text, only how many of its tokens come in one step.
 */
export class Guesser {
	readonly #table = new GuessTable()
	readonly #costs: StepCosts
	readonly #uniform: DrawNumber
	readonly #rates = new WeakMap<Sequence, Rates>()
	/** What sequences begin with: those that take the likeliest token, and those that draw. */
	readonly #commonRates = { greedy: firstRates(), drawing: firstRates() }

	constructor(costs: StepCosts, uniform: DrawNumber) {
		this.#costs = costs
		this.#uniform = uniform
	}

	/**
	 * Writes guesses behind the tokens of a window that decodes, as many as are worth their rows in a step of so
	 * many `rows` in which so many sequences decode. Returns their number.
	 */
	guess(sequence: Sequence, rows: number, decoding: number): number {
		const { window, request, generatedCount } = sequence
		// Edits depend on the token before, and log-probabilities would be read for nothing.
		if (sequence.editsLogits || request.logprobs !== null) return 0
		const most = Math.min(GUESSES_MAX, window.free - 1, request.maxTokens - generatedCount - 1)
		const rates = this.#ratesOf(sequence)
		let chance = 1
		let count = 0
		while (count < most) {
			const length = window.length + count
			let rate = 0
			for (const { tokenId, kind } of this.#table.guesses(
				request.cacheSalt,
				window.tokens,
				length,
				this.#numberOf(sequence, count),
			)) {
				if (rates[kind]! <= rate) continue
				rate = rates[kind]!
				window.tokens[length] = tokenId
			}
			chance *= rate
			// A token more, perhaps, against a longer step.
			if (chance / decoding <= WORTH_MIN * this.#costs.ofOneMore(rows + count)) break
			count++
		}
		return count
	}

	/** Learns from the last `count` tokens of a sequence, which it has drawn. */
	learn(sequence: Sequence, count: number): void {
		const { window } = sequence
		const rates = [this.#ratesOf(sequence), this.#commonRatesOf(sequence)]
		for (let index = Math.max(0, window.length - count); index < window.length; index++) {
			this.#learnToken(sequence, index, this.#numberOf(sequence, index - window.length), rates)
		}
	}

	/** Learns the prompt of a sequence, once it is read: texts are more like prompts than like nothing. */
	learnPrompt(sequence: Sequence): void {
		const rates = [this.#commonRatesOf(sequence)]
		const end = Math.min(sequence.promptLength, sequence.window.length)
		for (let index = 0; index < end; index++) this.#learnToken(sequence, index, null, rates)
	}

	/** Learns which guesses would have been right, then what was. */
	#learnToken(
		{ window, request }: Sequence,
		index: number,
		uniform: number | null,
		rates: readonly Rates[],
	): void {
		for (const guess of this.#table.guesses(request.cacheSalt, window.tokens, index, uniform)) {
			const isRight = Number(guess.tokenId === window.tokens[index])
			for (const each of rates) {
				const weight = each === rates.at(-1) ? COMMON_RATE_WEIGHT : RATE_WEIGHT
				each[guess.kind]! += weight * (isRight - each[guess.kind]!)
			}
		}
		this.#table.learn(request.cacheSalt, window.tokens, index, uniform)
	}

	/** From which a token is drawn that comes so many after the last one; null of the likeliest token. */
	#numberOf({ request, choice, generatedCount }: Sequence, ahead: number): number | null {
		const { temperature, seed } = request.sampling
		return temperature === 0 ? null : this.#uniform(seed, choice, generatedCount + ahead)
	}

	#ratesOf(sequence: Sequence): Rates {
		let rates = this.#rates.get(sequence)
		if (rates === undefined) {
			rates = this.#commonRatesOf(sequence).slice()
			this.#rates.set(sequence, rates)
		}
		return rates
	}

	#commonRatesOf({ request }: Sequence): Rates {
		return request.sampling.temperature === 0 ? this.#commonRates.greedy : this.#commonRates.drawing
	}
}

function firstRates(): Rates {
	return new Float64Array(GUESS_KINDS).fill(FIRST_RATE)
}
