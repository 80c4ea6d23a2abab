import { EXPERIENCES, GuessTable, type Likely } from './guess-table.ts'
import { CERTAINTIES } from './outlook.ts'
import type { Sequence } from './sequence.ts'
import type { StepCosts } from './step-costs.ts'

/** Most tokens that are guessed for one sequence in a step. */
const GUESSES_MAX = 7
/** A guess has to be worth so many times what its row costs: both are estimates. */
const WORTH_MIN = 1.25
/** What is thought of guesses before any was seen to be right or wrong. */
const FIRST_RATE = 0.25
/** How much one more guess counts: the first ones more, so that something is known soon. */
const RATE_WEIGHT_MIN = 1 / 256
const RATE_WEIGHT_MAX = 1 / 4
/** A sequence has to be so many right guesses off what others let expect before it is believed. */
const TRUST_PRIOR = 4
/** How much one more guess counts for its sequence. */
const TRUST_WEIGHT = 1 / 64

/** Among many sequences one of so many tokens tells how often guesses are right. */
const CROWD_SAMPLE = 8

/** The number in [0, 1) from which a choice draws its token with this index. */
export type DrawNumber = (seed: number, choice: number, index: number) => number

/** The likeliest tokens by a row of logits of the last step. */
export type ReadLikely = (logitsRow: number) => Likely

/** How often guesses of each kind were right, of all sequences together. */
class Rates {
	readonly #rates = new Float64Array(EXPERIENCES * CERTAINTIES).fill(FIRST_RATE)
	readonly #weights = new Float64Array(EXPERIENCES * CERTAINTIES).fill(RATE_WEIGHT_MAX)

	of(kind: number): number {
		return this.#rates[kind]!
	}

	learn(kind: number, isRight: boolean): void {
		const weight = this.#weights[kind]!
		this.#rates[kind]! += weight * (Number(isRight) - this.#rates[kind]!)
		this.#weights[kind] = Math.max(RATE_WEIGHT_MIN, weight / (1 + weight))
	}
}

/** How often guesses of one sequence were lately right, and should have been by the common rates. */
interface Trust {
	right: number
	expected: number
}

/**
 * Guesses which tokens a sequence will draw next, so that one step can compute several of its rows. A guess is
 * right when the draw gives the same token: draws depend on seed and position alone, so guesses never
 * change a text, only how many of its tokens come in one step.
 */
export class Guesser {
	readonly #table = new GuessTable()
	readonly costs: StepCosts
	readonly #uniform: DrawNumber
	readonly #readLikely: ReadLikely
	/** Of those that take the likeliest token, and of those that draw. */
	readonly #rates = { greedy: new Rates(), drawing: new Rates() }
	readonly #trusts = new WeakMap<Sequence, Trust>()
	/** Of the guess that was made last. */
	#kind = 0

	constructor(costs: StepCosts, uniform: DrawNumber, readLikely: ReadLikely) {
		this.costs = costs
		this.#uniform = uniform
		this.#readLikely = readLikely
	}

	/**
	 * Writes guesses behind the tokens of a window that decodes, as many as are worth their rows in a step of so
	 * many `rows` in which so many sequences decode. Returns their number.
	 */
	guess(sequence: Sequence, rows: number, decoding: number): number {
		const { window, request, generatedCount } = sequence
		// Edits depend on the token before, and log-probabilities would be read for nothing.
		if (sequence.editsLogits || request.logprobs !== null) return 0
		// What a row costs is only seen where one is computed: once in a while, whatever it is worth.
		const isTry =
			this.costs.wantsTry && rows === decoding && Number.isFinite(this.costs.ofOneMore(rows))
		if (!isTry && !this.#pays(1, decoding, rows)) return 0
		const ahead = Math.min(window.free, request.maxTokens - generatedCount) - 1
		const most = Math.min(isTry ? 1 : GUESSES_MAX, ahead)
		const rates = this.#ratesOf(sequence)
		const { right, expected } = this.#trustOf(sequence)
		const trust = (right + TRUST_PRIOR) / (expected + TRUST_PRIOR)
		let chance = 1
		let tokens = decoding
		let count = 0
		while (count < most) {
			const length = window.length + count
			const tokenId = this.#guessAt(sequence, length, count)
			if (tokenId === null) break
			chance *= Math.min(1, rates.of(this.#kind) * trust)
			if (!isTry && !this.#pays(chance, tokens, rows + count)) break
			window.tokens[length] = tokenId
			tokens += chance
			count++
		}
		return count
	}

	/** Learns from the last `count` tokens of a sequence, which it has drawn from rows of logits from `firstRow` on. */
	learn(sequence: Sequence, count: number, firstRow: number, decoding: number): void {
		// They say what this one may draw, not what may come.
		if (sequence.editsLogits) return
		const { window, request } = sequence
		const isGuessed = this.#pays(1, decoding, decoding)
		for (let i = Math.max(0, count - window.length); i < count; i++) {
			const length = window.length - count + i
			if (isGuessed || length % CROWD_SAMPLE === 0) this.#learnRight(sequence, length, i - count)
			this.#table.learn(request.cacheSalt, window.tokens, length, this.#readLikely(firstRow + i))
		}
	}

	/** Learns the prompt of a sequence, once it is read: texts are more like prompts than like nothing. */
	learnPrompt({ window, request, promptLength }: Sequence): void {
		const likely = { count: 1, tokenIds: new Int32Array(1), shares: Float32Array.of(1) }
		for (let length = 0; length < Math.min(promptLength, window.length); length++) {
			likely.tokenIds[0] = window.tokens[length]!
			this.#table.learn(request.cacheSalt, window.tokens, length, likely)
		}
	}

	/** Whether a token more, perhaps, is worth a longer step of so many tokens and rows. */
	#pays(chance: number, tokens: number, rows: number): boolean {
		return chance / tokens > WORTH_MIN * this.costs.ofOneMore(rows)
	}

	/** Learns whether a guess behind the first `length` tokens, for the draw `ahead` of the next one, would have been right. */
	#learnRight(sequence: Sequence, length: number, ahead: number): void {
		const tokenId = this.#guessAt(sequence, length, ahead)
		if (tokenId === null) return
		const isRight = tokenId === sequence.window.tokens[length]
		const rates = this.#ratesOf(sequence)
		const trust = this.#trustOf(sequence)
		trust.right += Number(isRight) - TRUST_WEIGHT * trust.right
		trust.expected += rates.of(this.#kind) - TRUST_WEIGHT * trust.expected
		rates.learn(this.#kind, isRight)
	}

	/** What is drawn behind the first `length` tokens of a window, so many tokens `ahead`; null without experience. */
	#guessAt(sequence: Sequence, length: number, ahead: number): number | null {
		const { window, request, choice, generatedCount } = sequence
		const experience = this.#table.look(request.cacheSalt, window.tokens, length)
		if (experience === null) return null
		const { sampling } = request
		const uniform = isGreedy(sequence)
			? null
			: this.#uniform(sampling.seed, choice, generatedCount + ahead)
		const { outlook } = this.#table
		const tokenId = outlook.guess(sampling, uniform)
		this.#kind = experience * CERTAINTIES + outlook.certainty
		return tokenId
	}

	#ratesOf(sequence: Sequence): Rates {
		return isGreedy(sequence) ? this.#rates.greedy : this.#rates.drawing
	}

	#trustOf(sequence: Sequence): Trust {
		let trust = this.#trusts.get(sequence)
		if (trust === undefined) {
			trust = { right: 0, expected: 0 }
			this.#trusts.set(sequence, trust)
		}
		return trust
	}
}

function isGreedy({ request }: Sequence): boolean {
	const { temperature, topK } = request.sampling
	return temperature === 0 || topK === 1
}
