/**
 * `bun run test:faults [--quick] [G9 …]` measures what the server promises under faults and load and
 * prints a table: goal, measured, verdict. `--quick` measures a slice of everything.
 */
import { type Goal, heldBy } from './goal.ts'
import { bombs, ioErrors, kills, startTime } from './life-goals.ts'
import {
	fairness,
	isolation,
	leaks,
	slowReaders,
	soak,
	streamMemory,
	unreadScores,
} from './load-goals.ts'
import { memoryLimits } from './memory-limit.ts'
import { eventLoop, floods, overload } from './overload-goals.ts'
import { rollingRestarts } from './rolling-restarts.ts'

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
	fairness,
	rollingRestarts,
	startTime,
	bombs,
	memoryLimits,
	eventLoop,
	floods,
	soak,
	heldBy(
		'G17',
		'what has brought down other servers has a named test here',
		'test/readme.test.ts, by the table of test/README.md',
	),
]

/** Longest time that one goal may take, in milliseconds. */
const GOAL_MS_MAX = 320_000
const QUICK = 0.1

/** One line of the table. */
export async function measure({ id, goal, measure }: Goal, scale: number): Promise<string> {
	const timeout = Bun.sleep(GOAL_MS_MAX).then(() => ({ measured: 'took too long', isMet: false }))
	const failed = (error: unknown) => ({ measured: String(error), isMet: false })
	const result = await Promise.race([measure(scale).catch(failed), timeout])
	const verdict = result === null ? 'cannot be measured here' : result.isMet ? 'met' : 'NOT MET'
	return `| ${id} | ${goal} | ${result?.measured ?? ''} | ${verdict} |`
}

if (import.meta.main) {
	const args = process.argv.slice(2)
	const scale = args.includes('--quick') ? QUICK : 1
	const wanted = args.filter((arg) => !arg.startsWith('--'))
	console.log('| | goal | measured | verdict |\n|---|---|---|---|')
	for (const goal of goals) {
		if (wanted.length === 0 || wanted.includes(goal.id)) console.log(await measure(goal, scale))
	}
	process.exit(0)
}
