import { afterEach, expect, test } from 'bun:test'
import { fewestThreads, StepThreads } from '../../../src/engine/worker/step-threads.ts'
import { openKernels } from '../../../src/kernels/binding.ts'
import { Gpt } from '../../../src/model/gpt.ts'
import { weightLayout } from '../../../src/model/weights.ts'
import { loadTrained, trainedModels } from '../../helpers/fixtures.ts'
import { libraryPath } from '../../helpers/test-engine.ts'

const kernels = openKernels(libraryPath)
kernels.select('')

afterEach(() => {
	kernels.threadsSet(1)
})

function smallModel(rowsMax: number): Gpt {
	const { config, arena, dtype } = loadTrained(kernels, trainedModels()[0]!, 'f32')
	const limits = { rowsMax, spansMax: 1, blocksPerSequence: 1 }
	return new Gpt(kernels, weightLayout(kernels, config, dtype), arena, limits, 1)
}

test('threads that make a step quicker are used, others are left to the rest of the machine', () => {
	const seconds: Record<number, number> = { 1: 8, 2: 5, 4: 3, 6: 2.9 }
	expect(fewestThreads(6, (threads) => seconds[threads]!)).toBe(4)
	expect(fewestThreads(2, (threads) => seconds[threads]!)).toBe(2)
	expect(fewestThreads(1, () => 1)).toBe(1)
	// A rendezvous between processors that are far apart.
	expect(fewestThreads(8, (threads) => threads)).toBe(1)
})

test('the quickest of several rounds counts: a moment of other work decides nothing', () => {
	let calls = 0
	const disturbed = (threads: number) => (calls++ === 1 ? 100 : 10 / threads)
	expect(fewestThreads(2, disturbed)).toBe(2)
})

test('measuring leaves all threads in use, and steps of many rows have them', () => {
	kernels.threadsSet(3)
	const threads = StepThreads.measure(kernels, smallModel(16), 16)
	expect(threads.forRows(16)).toBe(3)
	for (let rows = 1; rows <= 8; rows++) expect([1, 2, 3]).toContain(threads.forRows(rows))
	// None can be added.
	expect(kernels.threadsUse(4)).toBe(-1)
	expect(kernels.threadsUse(3)).toBe(0)
})

test('a model whose steps take long has all threads without being measured', () => {
	kernels.threadsSet(2)
	const { batch, config } = smallModel(16)
	let steps = 0
	const slow = () => {
		steps++
		const end = performance.now() + 3
		while (performance.now() < end) {}
	}
	const threads = StepThreads.measure(kernels, { batch, config, forward: slow }, 16)
	expect(steps).toBe(1)
	expect(threads.forRows(1)).toBe(2)
})
