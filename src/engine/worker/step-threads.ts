import type { Kernels } from '../../kernels/binding.ts'
import type { Gpt } from '../../model/gpt.ts'
import { secondsOfStep } from './step-costs.ts'

type Threads = Pick<Kernels, 'threads' | 'threadsUse'>

/** Rows of the steps that are measured; those with more are worth all threads. */
const MEASURED_ROWS = [1, 2, 4, 8] as const
const ROUNDS = 4
/** A step that takes longer with all threads is worth them, and measuring it would take long. */
const STEP_SECONDS_MAX = 0.001
/** What fewer threads may take longer: the others are left to sockets and the main thread. */
const SLOWER_MAX = 1.05
/**
 * Steps of a try, of which the last counts: a thread that was asleep, on a virtual processor that was, too, misses
 * the first ones.
 */
const TRY_STEPS = 4
/**
 * A try comes once in so many steps of real work. Each decision that changes nothing doubles that up to the most:
 * steps with another number may take twice as long.
 */
const STEPS_BETWEEN_TRIES = 128
const STEPS_BETWEEN_TRIES_MAX = 1024
/** Tries by whose middle one is decided. */
const TRIES = 5

/**
 * With how many threads a step of a few rows is computed. Meeting for each operation costs threads some tenths of
 * a microsecond, and much more where the system has put their processors far apart: then a small model is
 * quicker on fewer. Measured when a model is loaded, and tried again and again while it works, since other work
 * of the machine may have disturbed the measurement, and comes and goes. Results are the same.
 */
export class StepThreads {
	/** By rows of the step; those of a few rows may be the same. */
	readonly #choices: readonly ThreadChoice[]
	readonly #all: number
	#last: ThreadChoice | null = null

	private constructor(choices: readonly ThreadChoice[], all: number) {
		this.#choices = choices
		this.#all = all
	}

	static all(kernels: Threads): StepThreads {
		return new StepThreads([], kernels.threads())
	}

	/** Runs steps of at most `rowsMax` rows with the model's KV block 0, which nobody may use meanwhile. */
	static measure(
		kernels: Threads,
		gpt: Pick<Gpt, 'batch' | 'config' | 'forward'>,
		rowsMax: number,
	): StepThreads {
		const all = kernels.threads()
		const choices: ThreadChoice[] = []
		const most = Math.min(rowsMax, gpt.config.contextLength)
		for (const rows of MEASURED_ROWS.filter((rows) => rows <= most)) {
			if (all === 1 || secondsOfStep(gpt, rows) > STEP_SECONDS_MAX) break
			const fewest = fewestThreads(all, (threads) => {
				kernels.threadsUse(threads)
				for (let step = 1; step < TRY_STEPS; step++) secondsOfStep(gpt, rows)
				return secondsOfStep(gpt, rows)
			})
			const choice = new ThreadChoice(all, fewest)
			while (choices.length <= rows) choices.push(choice)
		}
		kernels.threadsUse(all)
		return new StepThreads(choices, all)
	}

	/** Threads for the next step, of so many rows. */
	forRows(rows: number): number {
		this.#last = this.#choices[rows] ?? null
		return this.#last?.next() ?? this.#all
	}

	/** How long the step took for which threads were asked last. */
	took(seconds: number): void {
		this.#last?.took(seconds)
	}
}

/** How many threads steps of some sizes get, decided again by tries. */
export class ThreadChoice {
	readonly #counts: readonly number[]
	/** Of the number in use among `#counts`. */
	#at: number
	/** Of the number that is tried. */
	#tried: number
	#steps = 0
	#stepsBetweenTries = STEPS_BETWEEN_TRIES
	/** Of the last step before a try. */
	#usualSeconds = 0
	/** How much longer steps took with the number that is tried. */
	#ratios: number[] = []

	/** `count`: one of 1, 2, 4 … `all`. */
	constructor(all: number, count: number) {
		this.#counts = countsUpTo(all)
		this.#at = this.#counts.indexOf(count)
		this.#tried = this.#neighbour(1)
	}

	/** Threads for the next step. */
	next(): number {
		this.#steps = (this.#steps + 1) % this.#stepsBetweenTries
		return this.#counts[
			this.#steps >= this.#stepsBetweenTries - TRY_STEPS ? this.#tried : this.#at
		]!
	}

	/** How long it took. */
	took(seconds: number): void {
		if (this.#steps === this.#stepsBetweenTries - TRY_STEPS - 1) this.#usualSeconds = seconds
		if (this.#steps !== this.#stepsBetweenTries - 1) return
		this.#ratios.push(seconds / this.#usualSeconds)
		if (this.#ratios.length < TRIES) return
		const middle = this.#ratios.sort((a, b) => a - b)[Math.floor(TRIES / 2)]!
		const isFewer = this.#tried < this.#at
		const before = this.#at
		if (isFewer ? middle <= SLOWER_MAX : middle < 1 / SLOWER_MAX) this.#at = this.#tried
		const hasStayed = before === this.#at
		this.#tried = this.#neighbour(hasStayed && !isFewer ? -1 : 1)
		this.#stepsBetweenTries = hasStayed
			? Math.min(2 * this.#stepsBetweenTries, STEPS_BETWEEN_TRIES_MAX)
			: STEPS_BETWEEN_TRIES
		this.#steps = 0
		this.#ratios = []
	}

	/** The next larger number, or smaller for -1; the other one where there is none. */
	#neighbour(direction: 1 | -1): number {
		const index = this.#at + direction
		return this.#counts[index] === undefined ? this.#at - direction : index
	}
}

/** The fewest of 1, 2, 4 … `all` threads that are about as quick as the quickest number. */
export function fewestThreads(all: number, secondsWith: (threads: number) => number): number {
	const counts = countsUpTo(all)
	const seconds = counts.map(() => Number.POSITIVE_INFINITY)
	for (let round = 0; round < ROUNDS; round++) {
		for (const [i, count] of counts.entries()) {
			seconds[i] = Math.min(seconds[i]!, secondsWith(count))
		}
	}
	const limit = Math.min(...seconds) * SLOWER_MAX
	return counts[seconds.findIndex((time) => time <= limit)]!
}

/** 1, 2, 4 … `all`. */
function countsUpTo(all: number): number[] {
	const counts: number[] = []
	for (let count = 1; count < all; count *= 2) counts.push(count)
	return [...counts, all]
}
