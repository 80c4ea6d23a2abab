import { expect, test } from 'bun:test'
import { kvBudget, memoryBudgets } from '../../../src/commands/serving/memory-budgets.ts'

const MIB = 2 ** 20

/** What a server that serves small models and has answered some requests takes (`bun run test:faults G6`). */
const OWN_BYTES = 112 * MIB

test.each([256, 512, 1024, 4096])('the budgets of %d MB leave room for the process', (size) => {
	const budgets = Object.values(memoryBudgets(size * MIB))
	const sum = budgets.reduce((total, bytes) => total + bytes, OWN_BYTES)
	expect(sum).toBeLessThan(size * MIB)
})

test('a large machine gives no more to buffers than they need', () => {
	const { modelBytes: _, ...buffers } = memoryBudgets(64 * 1024 * MIB)
	expect(buffers).toEqual({
		bodiesBytes: 64 * MIB,
		answersBytes: 128 * MIB,
		reportsBytes: 128 * MIB,
		backlogBytes: 64 * MIB,
	})
})

test('a tiny one still has some for models', () => {
	expect(memoryBudgets(64 * MIB).modelBytes).toBe(MIB)
})

test.each([
	[256, 512],
	[4096, 512],
	[12 * 1024, 761],
	[24 * 1024, 1024],
	[256 * 1024, 1024],
])(
	'on a machine of %d MB keys and values of a model get %d MB, unless a setting says otherwise',
	(memory, kv) => {
		expect(Math.ceil(kvBudget(memory * MIB) / MIB)).toBe(kv)
	},
)
