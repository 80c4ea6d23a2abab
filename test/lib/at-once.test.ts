import { expect, test } from 'bun:test'
import { forEachAtOnce } from '../../src/lib/at-once.ts'
import { nextTurn } from '../../src/lib/steps.ts'

test('does the work for each item, so many at a time, in their order', async () => {
	const begun: number[] = []
	let running = 0
	let most = 0
	await forEachAtOnce([1, 2, 3, 4, 5], 2, async (item) => {
		begun.push(item)
		most = Math.max(most, ++running)
		await nextTurn()
		running--
	})
	expect([begun, most]).toEqual([[1, 2, 3, 4, 5], 2])
})

test('after a failure nothing more begins, and it is thrown when all has ended', async () => {
	const begun: number[] = []
	const told: number[] = []
	const done = forEachAtOnce([1, 2, 3, 4], 2, async (item, signal) => {
		begun.push(item)
		if (item === 2) throw new Error('the second')
		await nextTurn()
		if (signal.aborted) told.push(item)
	})
	expect(done).rejects.toThrow('the second')
	await done.catch(() => {})
	expect([begun, told]).toEqual([[1, 2], [1]])
})
