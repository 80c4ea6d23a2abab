/**
 * `bun run test:faults [--quick] [G9 …]` measures what the server promises under faults and load and
 * prints a table: goal, measured, verdict. `--quick` measures a slice of everything.
 */
import { fieldCosts } from './field-costs.ts'
import { type Goal, heldBy } from './goal.ts'
import { bombs, ioErrors, kills, startTime } from './life-goals.ts'
import { isolation, leaks, slowReaders, soak, streamMemory, unreadScores } from './load-goals.ts'
import { memoryLimits } from './memory-limit.ts'
import {
	eventLoop,
	fairness,
	floods,
	overload,
	overloadOfTinyModel,
	shares,
} from './overload-goals.ts'
import { printTable } from './table.ts'

export const goals: readonly Goal[] = [
	kills,
	ioErrors,
	heldBy('G3', 'fuzzing of readers and kernels', 'test/fuzz.ts, test/kernels'),
	heldBy(
		'G4',
		'property cases over HTTP',
		'test/server/fuzz.test.ts, test/clients/schemathesis.ts',
	),
	heldBy('G5', 'sanitizers', 'test/kernels/sanitizers.test.ts'),
	streamMemory,
	leaks,
	isolation,
	slowReaders,
	unreadScores,
	overload,
	overloadOfTinyModel,
	fairness,
	shares,
	heldBy('G12', 'rolling restarts behind a proxy', 'bun test/scale/run.ts'),
	startTime,
	bombs,
	memoryLimits,
	fieldCosts,
	eventLoop,
	floods,
	soak,
	heldBy(
		'G17',
		'what has brought down other servers has a named test here',
		'test/readme.test.ts, by the table of test/README.md',
	),
]

if (import.meta.main) {
	await printTable(goals, process.argv.slice(2))
	process.exit(0)
}
