import type { Gpt } from '../../model/gpt.ts'

/** What is measured of a network. */
type Steps = Pick<Gpt, 'batch' | 'config' | 'forward'>

/** Rows of the steps that are measured; with more than the last of them, rows are not free any more. */
const MEASURED_ROWS = [1, 2, 4, 8, 16] as const
/** Each is measured again and again, and the quickest counts: what else runs on the machine makes steps slower only. */
const ROUNDS_MIN = 2
const MEASURING_MS = 120
/** A model whose step takes longer is not measured: others wait meanwhile, and its weights do come from memory. */
const STEP_SECONDS_MAX = 0.02
/** No row is free, whatever a moment's measurement says. */
const COST_MIN = 0.01
/** What a row more costs where weights come from memory, as a share of a step. */
const ASSUMED_COST = 0.03
/** How much one more pair of steps counts, and how far off it counts at most: one of them may have been disturbed. */
const PAIR_WEIGHT = 1 / 16
const PAIR_ERROR_MAX = 0.1
/** After so many steps of as many rows each, one of another number should be tried. */
const STEPS_BETWEEN_TRIES = 128

/**
 * What a row more costs in a step of a few rows. Begins with a measurement; from then on each step of real work is
 * compared with the one before it, so that a busy machine, which makes both slower, changes little.
 */
export class StepCosts {
	/** By rows of the step, as a share of its time. */
	readonly #ofOneMore: Float64Array
	/** The step before. */
	#last: { readonly sequences: number; readonly rows: number; readonly seconds: number } | null =
		null
	/** Steps since two could be compared. */
	#alike = 0

	private constructor(ofOneMore: Float64Array) {
		this.#ofOneMore = ofOneMore
	}

	/** For models whose weights are read from memory in each step, while there is no time to measure. */
	static assumed(): StepCosts {
		const rows = MEASURED_ROWS.at(-1)!
		return new StepCosts(new Float64Array(rows).fill(ASSUMED_COST))
	}

	/** Runs some steps of at most `rowsMax` rows with the model's KV block 0, which nobody may use meanwhile. */
	static measure(gpt: Steps, rowsMax: number): StepCosts {
		if (secondsOfStep(gpt, 1) > STEP_SECONDS_MAX) return StepCosts.assumed()
		const most = Math.min(rowsMax, gpt.config.contextLength)
		const measured = MEASURED_ROWS.filter((rows) => rows <= most)
		const seconds = measured.map(() => Number.POSITIVE_INFINITY)
		const end = performance.now() + MEASURING_MS
		for (let round = 0; round < ROUNDS_MIN || performance.now() < end; round++) {
			for (const [i, rows] of measured.entries()) {
				seconds[i] = Math.min(seconds[i]!, secondsOfStep(gpt, rows))
			}
		}
		return new StepCosts(costsOf(measured, seconds))
	}

	/** Of a row more in a step of `rows`, as a share of its time; infinite where that is not known. */
	ofOneMore(rows: number): number {
		return this.#ofOneMore[rows] ?? Number.POSITIVE_INFINITY
	}

	/** For long nothing was learned: the next step should have another number of rows. */
	get wantsTry(): boolean {
		return this.#alike >= STEPS_BETWEEN_TRIES
	}

	/** How long a step took in which so many sequences decode, and nothing else is read. */
	took(sequences: number, rows: number, seconds: number): void {
		const before = this.#last
		this.#last = { sequences, rows, seconds }
		this.#alike++
		if (before === null || before.sequences !== sequences || before.rows === rows) return
		const isMore = rows > before.rows
		const [from, to] = isMore ? [before.rows, rows] : [rows, before.rows]
		if (to > this.#ofOneMore.length) return
		this.#alike = 0
		this.#learn(from, to, isMore ? seconds / before.seconds : before.seconds / seconds)
	}

	/** A step of another kind came between. */
	tookOther(): void {
		this.#last = null
	}

	/** Moves the costs of rows towards those by which a step of `to` rows takes `ratio` times as long as one of `from`. */
	#learn(from: number, to: number, ratio: number): void {
		let expected = 0
		for (let rows = from; rows < to; rows++) expected += Math.log1p(this.#ofOneMore[rows]!)
		const error = Math.log(ratio) - expected
		const bounded = Math.max(-PAIR_ERROR_MAX, Math.min(PAIR_ERROR_MAX, error))
		const share = (PAIR_WEIGHT * bounded) / (to - from)
		for (let rows = from; rows < to; rows++) {
			const growth = Math.log1p(this.#ofOneMore[rows]!) + share
			this.#ofOneMore[rows] = Math.max(COST_MIN, Math.expm1(growth))
		}
	}
}

/**
 * What one more costs of so many rows, as a share of a step's time, by the seconds of steps with these `rows`. Disturbed
 * measurements are too long: so each counts at most what a step of more rows took, and only those
 * count between which no other lies below.
 */
export function costsOf(rows: readonly number[], seconds: readonly number[]): Float64Array {
	const times = seconds.map((_, i) => Math.min(...seconds.slice(i)))
	const ofOneMore = new Float64Array(rows.at(-1)!)
	for (let from = 0; from + 1 < rows.length; ) {
		let to = from + 1
		const ofRow = (i: number) => (times[i]! - times[from]!) / (rows[i]! - rows[from]!)
		for (let i = to; i < rows.length; i++) if (ofRow(i) <= ofRow(to)) to = i
		for (let count = rows[from]!; count < rows[to]!; count++) {
			const time = times[from]! + ofRow(to) * (count - rows[from]!)
			ofOneMore[count] = Math.max(COST_MIN, ofRow(to) / time)
		}
		from = to
	}
	return ofOneMore
}

/** A step of rows that follow each other in one block, all of them with logits. */
export function secondsOfStep(gpt: Steps, rows: number): number {
	const { batch } = gpt
	batch.clear()
	batch.addSpan(rows, 0, Int32Array.of(0), 1)
	for (let row = 0; row < rows; row++) {
		batch.addRow(0, row > 0 ? 0 : -1, row, row)
		batch.wantLogits()
	}
	const start = performance.now()
	gpt.forward()
	return (performance.now() - start) / 1000
}
