/** A slice of what `bun run test:faults` measures: what does not depend on the machine's speed. */
import { expect, test } from 'bun:test'
import { canLimitMemory } from '../helpers/memory-group.ts'
import { isolation, leaks } from './goals/load-goals.ts'
import { memoryLimits } from './goals/memory-limit.ts'

for (const goal of [leaks, isolation]) {
	test(`${goal.id}: ${goal.goal}`, async () => {
		expect(await goal.measure(0.1)).toMatchObject({ isMet: true })
	}, 120_000)
}

test.skipIf(!canLimitMemory())(
	`${memoryLimits.id}: ${memoryLimits.goal} (with control groups)`,
	async () => {
		expect(await memoryLimits.measure(0.1)).toMatchObject({ isMet: true })
	},
	120_000,
)
