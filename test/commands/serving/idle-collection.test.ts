import { expect, test } from 'bun:test'
import { IdleCollection } from '../../../src/commands/serving/idle-collection.ts'

test('memory is collected once when work has ended, and not before', () => {
	let processorMs = 0
	let collections = 0
	using collection = new IdleCollection({
		processorMs: () => processorMs,
		collect: () => {
			collections++
			processorMs += 80
		},
		intervalMs: 1000,
	})
	const second = (worked: number) => {
		processorMs += worked
		collection.look()
		return collections
	}
	expect([0, 10].map(second)).toEqual([0, 0])
	expect([900, 900, 60].map(second)).toEqual([0, 0, 0])
	expect([10, 10, 40, 0].map(second)).toEqual([1, 1, 1, 1])
	expect([900, 0, 0].map(second)).toEqual([1, 2, 2])
})
