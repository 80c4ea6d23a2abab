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
 * With how many threads a step of a few rows is computed. Meeting for each operation costs threads some tenths of
 * a microsecond, and much more where the system has put their processors far apart: then a small model is
 * quicker on fewer. Results are the same.
 */
export class StepThreads {
	/** By rows of the step. */
	readonly #counts: readonly number[]
	readonly #all: number

	private constructor(counts: readonly number[], all: number) {
		this.#counts = counts
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
		const counts: number[] = []
		const most = Math.min(rowsMax, gpt.config.contextLength)
		for (const rows of MEASURED_ROWS.filter((rows) => rows <= most)) {
			if (all === 1 || secondsOfStep(gpt, rows) > STEP_SECONDS_MAX) break
			const count = fewestThreads(all, (threads) => {
				kernels.threadsUse(threads)
				// A thread that was asleep misses the first step.
				secondsOfStep(gpt, rows)
				return secondsOfStep(gpt, rows)
			})
			while (counts.length <= rows) counts.push(count)
		}
		kernels.threadsUse(all)
		return new StepThreads(counts, all)
	}

	/** Threads for a step of so many rows. */
	forRows(rows: number): number {
		return this.#counts[rows] ?? this.#all
	}
}

/** The fewest of 1, 2, 4 … `all` threads that are about as quick as the quickest number. */
export function fewestThreads(all: number, secondsWith: (threads: number) => number): number {
	const counts: number[] = []
	for (let count = 1; count < all; count *= 2) counts.push(count)
	counts.push(all)
	const seconds = counts.map(() => Number.POSITIVE_INFINITY)
	for (let round = 0; round < ROUNDS; round++) {
		for (const [i, count] of counts.entries()) {
			seconds[i] = Math.min(seconds[i]!, secondsWith(count))
		}
	}
	const limit = Math.min(...seconds) * SLOWER_MAX
	return counts[seconds.findIndex((time) => time <= limit)]!
}
