import { expect, test } from 'bun:test'
import { costsOf, StepCosts } from '../../../src/engine/worker/step-costs.ts'
import { openKernels } from '../../../src/kernels/binding.ts'
import { Gpt } from '../../../src/model/gpt.ts'
import { weightLayout } from '../../../src/model/weights.ts'
import { loadTrained, trainedModels } from '../../helpers/fixtures.ts'
import { libraryPath } from '../../helpers/test-engine.ts'

function smallModel(rowsMax: number): Gpt {
	const kernels = openKernels(libraryPath)
	kernels.select('')
	const { config, arena, dtype } = loadTrained(kernels, trainedModels()[0]!, 'f32')
	const limits = { rowsMax, spansMax: 1, blocksPerSequence: 1 }
	return new Gpt(kernels, weightLayout(kernels, config, dtype), arena, limits, 1)
}

test('costs of rows are measured with the network itself: none is free, and none beyond them is known', () => {
	const costs = StepCosts.measure(smallModel(16), 16)
	for (let rows = 1; rows < 16; rows++) {
		expect(costs.ofOneMore(rows)).toBeGreaterThan(0)
		expect(costs.ofOneMore(rows)).toBeLessThan(10)
	}
	expect(costs.ofOneMore(16)).toBe(Number.POSITIVE_INFINITY)
})

test('no step is measured that has more rows than a step may have', () => {
	expect(StepCosts.measure(smallModel(3), 3).ofOneMore(2)).toBe(Number.POSITIVE_INFINITY)
	expect(StepCosts.measure(smallModel(1), 1).ofOneMore(1)).toBe(Number.POSITIVE_INFINITY)
})

test('a model whose steps take long is not measured: others wait meanwhile', () => {
	const { batch, config } = smallModel(16)
	let steps = 0
	const slow = () => {
		steps++
		const end = performance.now() + 25
		while (performance.now() < end) {}
	}
	const costs = StepCosts.measure({ batch, config, forward: slow }, 16)
	expect(steps).toBe(1)
	expect(costs.ofOneMore(1)).toBe(StepCosts.assumed().ofOneMore(1))
})

test('assumed costs are the same for every row', () => {
	const costs = StepCosts.assumed()
	expect(costs.ofOneMore(1)).toBe(costs.ofOneMore(15))
	expect(costs.ofOneMore(16)).toBe(Number.POSITIVE_INFINITY)
})

test('costs follow the times of steps, between measured ones in a straight line', () => {
	const costs = costsOf([1, 2, 4, 8], [1, 1.1, 1.4, 2.4])
	expect(costs[1]).toBeCloseTo(0.1)
	expect(costs[2]).toBeCloseTo(0.15 / 1.1)
	expect(costs[3]).toBeCloseTo(0.15 / 1.25)
	expect(costs[4]).toBeCloseTo(0.25 / 1.4)
})

test.each([
	['one row', [2, 1.05, 1.15, 1.35]],
	['two rows', [1, 3, 1.15, 1.35]],
	['four rows', [1, 1.05, 9, 1.35]],
])('a disturbed measurement of %s says little', (_, seconds) => {
	const costs = costsOf([1, 2, 4, 8], seconds)
	for (let rows = 1; rows < 8; rows++) {
		expect(costs[rows]).toBeGreaterThanOrEqual(0.01)
		expect(costs[rows]).toBeLessThan(0.06)
	}
})

/** Costs that see steps of so many rows, each as long as `secondsOf` says, a hundred times over. */
function costsAfter(rows: readonly number[], secondsOf: (rows: number) => number): StepCosts {
	const costs = StepCosts.assumed()
	for (let i = 0; i < 100; i++) for (const count of rows) costs.took(1, count, secondsOf(count))
	return costs
}

test('steps of real work correct what rows cost', () => {
	const costs = costsAfter([1, 2, 1, 3], (rows) => 0.8 + 0.2 * rows)
	expect(costs.ofOneMore(1)).toBeCloseTo(0.2, 2)
	expect(costs.ofOneMore(2)).toBeCloseTo(0.2 / 1.2, 2)
	expect(costs.ofOneMore(4)).toBe(StepCosts.assumed().ofOneMore(4))
})

test('a machine that becomes slower, or disturbs a step now and then, changes little', () => {
	let step = 0
	const seconds = (rows: number) => {
		step++
		return (0.8 + 0.2 * rows) * (1 + step / 100) * (step % 17 === 0 ? 8 : 1)
	}
	const cost = costsAfter([1, 2, 1], seconds).ofOneMore(1)
	expect(cost).toBeGreaterThan(0.15)
	expect(cost).toBeLessThan(0.25)
})

test('no row is free, however steps of one are disturbed', () => {
	expect(costsAfter([1, 2], (rows) => 1 / rows).ofOneMore(1)).toBeGreaterThan(0)
})

test('steps of other sequences, and with something else between them, are not compared', () => {
	const costs = StepCosts.assumed()
	for (let i = 0; i < 100; i++) {
		costs.took(1, 1, 1)
		costs.took(2, 2, 9)
		costs.took(1, 1, 1)
		costs.tookOther()
		costs.took(1, 2, 9)
		costs.tookOther()
	}
	expect(costs.ofOneMore(1)).toBe(StepCosts.assumed().ofOneMore(1))
})

test('steps of one number of rows say nothing, so another is wanted once in a while', () => {
	const costs = StepCosts.assumed()
	for (let i = 0; i < 127; i++) costs.took(1, 1, 1)
	expect(costs.wantsTry).toBe(false)
	costs.took(1, 1, 1)
	expect(costs.wantsTry).toBe(true)
	costs.took(1, 2, 1)
	expect(costs.wantsTry).toBe(false)
})
