/** What charts make of a training log. */
import { describe, expect, test } from 'bun:test'
import {
	partsOfTraining,
	robustRange,
	scalarsOf,
	smoothed,
} from '../../src/ui/page/scalar-series.js'

describe('a training log in a chart', () => {
	test('begins another line where the steps go back', () => {
		const steps = [1, 2, 3, 2, 3, 4]
		const parts = partsOfTraining(steps.map((step) => ({ step, loss: step })))
		expect(parts.map((part) => part.map(({ step }) => step))).toEqual([
			[1, 2, 3],
			[2, 3, 4],
		])
	})

	test('offers every number, the known ones first', () => {
		const points = [
			{ step: 1, zeta: 1, lr: 0.1 },
			{ step: 2, loss: 3, alpha_rate: 2 },
		]
		expect(scalarsOf(points).map(({ label }) => label)).toEqual([
			'Loss',
			'Learning rate',
			'alpha rate',
			'zeta',
		])
	})

	test('smooths without a bias at the beginning, and over gaps', () => {
		expect(smoothed([4, 4, null, 4], 0.9)).toEqual(
			[4, 4, null, 4].map((v) => v && expect.closeTo(v, 10)),
		)
		expect(smoothed([1, 3], 0)).toEqual([1, 3])
		expect(smoothed([0, 10], 0.5)[1]).toBeCloseTo(20 / 3, 10)
	})

	test('is not flattened by a single spike', () => {
		const values = Array.from({ length: 200 }, (_, i) => 4 - i / 100)
		values[100] = 8e4
		const [low, high] = robustRange(values) ?? [0, 0]
		expect(low).toBeGreaterThan(1.9)
		expect(high).toBeLessThan(6)
		expect(robustRange([])).toBeNull()
	})
})
