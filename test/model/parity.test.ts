import { describe, expect, test } from 'bun:test'
import { openKernels } from '../../src/kernels/binding.ts'
import { familyAnswers, familyDirectories, loadNetwork } from '../helpers/families.ts'
import { forwardPass } from '../helpers/forward-pass.ts'
import { libraryPath } from '../helpers/test-engine.ts'

/** Allowed distance of a logit from the original code's own, both in f32. */
const LOGIT_TOLERANCE = 5e-5
/** Gap of the two best logits below which two correct implementations may disagree. */
const NEAR_TIE = 1e-3

const kernels = openKernels(libraryPath)
kernels.select('')

function argmax(logits: Float32Array): number {
	return logits.reduce((best, logit, id) => (logit > logits[best]! ? id : best), 0)
}

describe.each(familyDirectories())('the model of %s', (name) => {
	const answers = familyAnswers(name)
	const forward = forwardPass(kernels, loadNetwork(kernels, name, 'f32'))
	const predict = (ids: readonly number[]) => forward(ids).logits.row(0)

	test('has the logits of the original code', () => {
		const told = answers.forward.filter(({ ids }) => ids.length <= answers.context)
		expect(told.length).toBeGreaterThan(0)
		for (const { ids, top, argmax: best, top_gap: gap, ...answer } of told) {
			const logits = predict(ids)
			const expected = top ?? [...(answer.logits ?? []).entries()]
			expect(expected.length).toBeGreaterThan(0)
			const distances = expected.map(([id, logit]) => Math.abs(logit - logits[id]!))
			expect(Math.max(...distances)).toBeLessThan(LOGIT_TOLERANCE)
			if (gap > NEAR_TIE) expect(argmax(logits)).toBe(best)
		}
	})

	test('continues greedily as the original code', () => {
		for (const { prompt_ids: prompt, ids: expected, min_top_gap: gap } of answers.greedy) {
			if (gap <= NEAR_TIE) continue
			const ids = [...prompt]
			for (const id of expected) {
				expect(argmax(predict(ids))).toBe(id)
				ids.push(id)
			}
		}
	})
})
