/**
 * The most that streams beyond the context can have of the speed within it: every token of theirs is read once more in
 * the next window, and stands in a longer one. Steps alone, without draws, threads of others and HTTP.
 */
import { kvBlockTokens } from '../../src/kernels/binding.ts'
import { Gpt } from '../../src/model/gpt.ts'
import { weightLayout } from '../../src/model/weights.ts'
import { type Bench, loadModel, type ModelName, roundsOf } from './bench-context.ts'
import { secondsOf } from './statistics.ts'

const STREAMS = 32
/** Rows of a next window that a step reads of one stream; in all as many as there are streams. */
const READ_TOGETHER = 4
const STEPS = 40

/** Rows of a step: of so many sequences so many each, from a position on. */
interface Rows {
	readonly sequences: number
	readonly count: number
	readonly position: number
	readonly isDrawn: boolean
}

export async function measureRolledSteps(bench: Bench, name: ModelName): Promise<void> {
	const { config, dtype, arena } = loadModel(bench, name, 'f32')
	const blocksPerSequence = Math.ceil(config.contextLength / kvBlockTokens)
	const limits = { rowsMax: 2 * STREAMS, spansMax: 2 * STREAMS, blocksPerSequence }
	const layout = weightLayout(bench.kernels, config, dtype)
	const gpt = new Gpt(bench.kernels, layout, arena, limits, 2 * STREAMS * blocksPerSequence)
	const decoding = { sequences: STREAMS, count: 1, isDrawn: true }
	/** On average: half of a context, and of the half that a window has when it has rolled. */
	const within = [{ ...decoding, position: Math.floor(config.contextLength / 4) }]
	const beyond = [{ ...decoding, position: Math.floor((3 * config.contextLength) / 4) }]
	const read = { sequences: STREAMS / READ_TOGETHER, count: READ_TOGETHER, isDrawn: false }
	const reading = [...beyond, { ...read, position: within[0]!.position }]
	const ratios: number[] = []
	const ratiosWithoutReading: number[] = []
	for await (const _ of roundsOf(bench)) {
		const seconds = secondsOfSteps(gpt, within)
		ratios.push(seconds / secondsOfSteps(gpt, reading))
		ratiosWithoutReading.push(seconds / secondsOfSteps(gpt, beyond))
	}
	const title = `steps of ${STREAMS} rows within the context against beyond it`
	bench.report.add({ subject: name, name: title, unit: '×', samples: ratios })
	const samples = ratiosWithoutReading
	bench.report.add({ subject: name, name: `${title}, were reading free`, unit: '×', samples })
}

/** Each sequence has blocks of its own. */
function secondsOfSteps(gpt: Gpt, rows: readonly Rows[]): number {
	const { batch, config } = gpt
	const blockCount = Math.ceil(config.contextLength / kvBlockTokens)
	batch.clear()
	for (const { sequences, count, position, isDrawn } of rows) {
		for (let i = 0; i < sequences; i++) {
			const first = batch.spanCount * blockCount
			const blocks = Int32Array.from({ length: blockCount }, (_, block) => first + block)
			batch.addSpan(count, position, blocks, Math.ceil((position + count) / kvBlockTokens))
			for (let at = position; at < position + count; at++) {
				const block = blocks[Math.floor(at / kvBlockTokens)]!
				batch.addRow(0, 0, at, block * kvBlockTokens + (at % kvBlockTokens))
				if (isDrawn) batch.wantLogits()
			}
		}
	}
	return secondsOf(() => {
		for (let step = 0; step < STEPS; step++) gpt.forward()
	})
}
