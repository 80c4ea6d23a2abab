import { describe, expect, test } from 'bun:test'
import { kvBlockTokens, openKernels } from '../../src/kernels/binding.ts'
import { Gpt } from '../../src/model/gpt.ts'
import { weightLayout } from '../../src/model/weights.ts'
import { loadTrained, trainedModels } from '../helpers/fixtures.ts'
import { libraryPath } from '../helpers/test-engine.ts'

/** Allowed distance of a logit from the trainer's own. */
const LOGIT_TOLERANCE = 5e-4
/** Gap below which two correct implementations may disagree about the best token. */
const NEAR_TIE = 2e-3

const kernels = openKernels(libraryPath)
kernels.select('')

/** The network with enough blocks for one sequence, and its logits after a prompt. */
function predictor(loaded: ReturnType<typeof loadTrained>) {
	const { config, dtype, arena } = loaded
	const blockCount = Math.ceil(config.blockSize / kvBlockTokens)
	const limits = { rowsMax: config.blockSize, sequencesMax: 1, blocksPerSequence: blockCount }
	const gpt = new Gpt(kernels, weightLayout(kernels, config, dtype), arena, limits, blockCount)
	const blocks = Int32Array.from({ length: blockCount }, (_, i) => blockCount - 1 - i)
	return (ids: readonly number[]): Float32Array => {
		gpt.batch.clear()
		gpt.batch.addRun(ids.length, 0, blocks, blockCount)
		for (const [position, id] of ids.entries()) {
			const block = blocks[Math.floor(position / kvBlockTokens)]!
			gpt.batch.addRow(id, position, block * kvBlockTokens + (position % kvBlockTokens))
		}
		gpt.batch.wantLogits()
		gpt.forward()
		return gpt.logits.slice(0, config.vocabSize)
	}
}

function argmax(logits: Float32Array): number {
	return logits.reduce((best, logit, id) => (logit > logits[best]! ? id : best), 0)
}

describe.each(trainedModels().map((model) => [model.name, model] as const))(
	'forward pass of %s',
	(_, model) => {
		const predict = predictor(loadTrained(kernels, model, 'f32'))

		test.each(model.expected.forward.map((forward) => [forward.name, forward] as const))(
			'gives the logits of the trainer after %s',
			(_name, forward) => {
				const logits = predict(forward.ids)
				const distances = forward.logits.map((logit, id) => Math.abs(logit - logits[id]!))
				expect(Math.max(...distances)).toBeLessThan(LOGIT_TOLERANCE)
				if (forward.top_gap > NEAR_TIE) expect(argmax(logits)).toBe(forward.argmax)
			},
		)

		test.each(model.expected.greedy.map((greedy) => [greedy.name, greedy] as const))(
			'continues %s greedily as the trainer does',
			(_name, greedy) => {
				const ids = [...greedy.prompt_ids]
				for (const id of greedy.ids) {
					expect(argmax(predict(ids))).toBe(id)
					ids.push(id)
				}
			},
		)
	},
)
