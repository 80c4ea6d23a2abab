import { afterEach, describe, expect, test } from 'bun:test'
import {
	fewestThreads,
	StepThreads,
	ThreadChoice,
} from '../../../src/engine/worker/step-threads.ts'
import { openKernels } from '../../../src/kernels/binding.ts'
import { Gpt } from '../../../src/model/gpt.ts'
import { weightLayout } from '../../../src/model/weights.ts'
import { loadTrained, trainedModels } from '../../helpers/fixtures.ts'
import { uniform } from '../../helpers/random-model.ts'
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

/** Which numbers of threads many steps get, the first half of them left out. */
function chosen(all: number, count: number, secondsWith: (threads: number) => number): number[] {
	const choice = new ThreadChoice(all, count)
	const counts = Array.from({ length: 20_000 }, () => {
		const threads = choice.next()
		choice.took(secondsWith(threads))
		return threads
	})
	return counts.slice(10_000)
}

function mostUsed(counts: readonly number[]): number {
	const uses = (count: number) => counts.filter((other) => other === count).length
	return [...new Set(counts)].reduce((a, b) => (uses(b) > uses(a) ? b : a))
}

describe('while a model works', () => {
	test.each([1, 2, 4, 6])(
		'the fewest threads that are about the quickest are found from %d',
		(count) => {
			const seconds: Record<number, number> = { 1: 8, 2: 5, 4: 3, 6: 2.9 }
			expect(mostUsed(chosen(6, count, (threads) => seconds[threads]!))).toBe(4)
		},
	)

	test('a second thread that a busy moment has cost is taken again', () => {
		expect(mostUsed(chosen(2, 1, (threads) => 1.35 / threads))).toBe(2)
	})

	test('threads that do not pay are left to the rest of the machine', () => {
		expect(mostUsed(chosen(4, 4, () => 1))).toBe(1)
	})

	test('tries of other numbers are a few steps in a hundred at most', () => {
		const counts = chosen(2, 2, (threads) => 1 / threads)
		expect(counts.filter((count) => count === 1).length).toBeLessThan(counts.length / 50)
	})

	test('a thread that is asleep when a try begins misses some steps of it, and is judged by the last', () => {
		let awake = 0
		const seconds = (threads: number) => {
			awake = threads === 2 ? awake + 1 : 0
			return awake > 3 ? 0.6 : 1
		}
		expect(mostUsed(chosen(2, 1, seconds))).toBe(2)
	})

	test('a number that has stood for long is tried against others seldom', () => {
		const counts = chosen(2, 2, (threads) => 1 / threads)
		expect(counts.filter((count) => count === 1).length).toBeLessThan(counts.length / 200)
	})

	test('a number that has stood for long changes when the machine does', () => {
		let isShared = false
		const choice = new ThreadChoice(2, 2)
		const run = (steps: number) =>
			Array.from({ length: steps }, () => {
				const threads = choice.next()
				choice.took(isShared ? threads : 1 / threads)
				return threads
			})
		run(20_000)
		isShared = true
		run(10_000)
		expect(mostUsed(run(1_000))).toBe(1)
	})

	test('the middle of some tries decides: a few disturbed steps do not', () => {
		const next = uniform(5)
		const disturbed = (threads: number) => (next() < 0.1 ? 100 : 1 / threads)
		expect(mostUsed(chosen(2, 2, disturbed))).toBe(2)
	})
})
