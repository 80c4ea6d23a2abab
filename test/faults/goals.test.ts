/** A slice of what `bun run test:faults` measures: what does not depend on the machine's speed. */
import { expect, test } from 'bun:test'
import { isolation, leaks } from './goals/load-goals.ts'
import { canLimitMemory, memoryLimits } from './goals/memory-limit.ts'
import { restartsBehind, rollingRestarts } from './goals/rolling-restarts.ts'

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

// Caddy 2.6 ends a stream of events after its first frames now and then, on busy machines, with a proper
// last chunk and whatever server is behind it: `bun run test:faults G12` tells how many.
for (const proxy of ['nginx', 'haproxy']) {
	const isMissing = Bun.which(proxy) === null
	const note = isMissing ? ' (skipped: not installed)' : ''
	test.skipIf(isMissing)(
		`${rollingRestarts.id}: a restart behind ${proxy} loses no request${note}`,
		async () => {
			expect(await restartsBehind(proxy, 2)).toMatchObject({ failures: [] })
		},
		120_000,
	)
}
