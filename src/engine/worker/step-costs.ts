import type { Gpt } from '../../model/gpt.ts'

/** What is measured of a network. */
type Steps = Pick<Gpt, 'batch' | 'config' | 'forward'>

/** Rows of the steps that are measured; with more than the last of them, rows are not free any more. */
const MEASURED_ROWS = [1, 2, 4, 8, 16] as const
const ROUNDS = 2
/** A model whose step takes longer is not measured: others wait meanwhile, and its weights do come from memory. */
const STEP_SECONDS_MAX = 0.02
/** No row is free, whatever a moment's measurement says. */
const COST_MIN = 0.01
/** What a row more costs where weights come from memory, as a share of a step. */
const ASSUMED_COST = 0.03

/** What a row more costs in a step of a few rows. */
export class StepCosts {
	/** By rows of the step, as a share of its time. */
	readonly #ofOneMore: Float64Array

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
		for (let round = 0; round < ROUNDS; round++) {
			for (const [i, rows] of measured.entries()) {
				seconds[i] = Math.min(seconds[i]!, secondsOfStep(gpt, rows))
			}
		}
		const ofOneMore = new Float64Array(measured.at(-1)!)
		for (let i = 0; i + 1 < measured.length; i++) {
			const [from, to] = [measured[i]!, measured[i + 1]!]
			const ofRow = Math.max(0, seconds[i + 1]! - seconds[i]!) / (to - from)
			for (let rows = from; rows < to; rows++) {
				ofOneMore[rows] = Math.max(COST_MIN, ofRow / (seconds[i]! + ofRow * (rows - from)))
			}
		}
		return new StepCosts(ofOneMore)
	}

	/** Of a row more in a step of `rows`, as a share of its time; infinite where that is not known. */
	ofOneMore(rows: number): number {
		return this.#ofOneMore[rows] ?? Number.POSITIVE_INFINITY
	}
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
