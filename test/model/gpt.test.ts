import { describe, expect, test } from 'bun:test'
import { openKernels } from '../../src/kernels/binding.ts'
import { loadTrained, trainedModels } from '../helpers/fixtures.ts'
import { forwardPass } from '../helpers/forward-pass.ts'
import { libraryPath } from '../helpers/test-engine.ts'

/** Allowed distance of a logit from the trainer's own. */
const LOGIT_TOLERANCE = 5e-4
/** Gap below which two correct implementations may disagree about the best token. */
const NEAR_TIE = 2e-3

const kernels = openKernels(libraryPath)
kernels.select('')

function argmax(logits: Float32Array): number {
	return logits.reduce((best, logit, id) => (logit > logits[best]! ? id : best), 0)
}

describe.each(trainedModels().map((model) => [model.name, model] as const))(
	'forward pass of %s',
	(_, model) => {
		const loaded = loadTrained(kernels, model, 'f32')
		const forward = forwardPass(kernels, loaded)
		const predict = (ids: readonly number[]) => forward(ids).logits.row(0)

		test.each(model.expected.forward.map((forward) => [forward.name, forward] as const))(
			'gives the logits of the trainer after %s',
			(_name, expected) => {
				const logits = predict(expected.ids)
				const distances = expected.logits.map((logit, id) => Math.abs(logit - logits[id]!))
				expect(Math.max(...distances)).toBeLessThan(LOGIT_TOLERANCE)
				if (expected.top_gap > NEAR_TIE) expect(argmax(logits)).toBe(expected.argmax)
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
