/** Goals as a table: what was promised, what was measured, and the verdict. */
import type { Goal } from './goal.ts'

/** Longest time that a goal may take that says nothing else, in milliseconds: all together take at most 30 minutes. */
const GOAL_MS_MAX = 320_000
const QUICK = 0.1

/** One line of the table. */
async function measure(
	{ id, goal, msMax = GOAL_MS_MAX, measure }: Goal,
	scale: number,
): Promise<string> {
	const timeout = Bun.sleep(msMax).then(() => ({ measured: 'took too long', isMet: false }))
	const failed = (error: unknown) => ({ measured: String(error), isMet: false })
	const result = await Promise.race([measure(scale).catch(failed), timeout])
	const verdict = result === null ? 'cannot be measured here' : result.isMet ? 'met' : 'NOT MET'
	return `| ${id} | ${goal} | ${result?.measured ?? ''} | ${verdict} |`
}

/** Prints them one after another: all of them, or those whose ids are among `args`; a slice of each with `--quick`. */
export async function printTable(goals: readonly Goal[], args: readonly string[]): Promise<void> {
	const scale = args.includes('--quick') ? QUICK : 1
	const wanted = args.filter((arg) => !arg.startsWith('--'))
	console.log('| | goal | measured | verdict |\n|---|---|---|---|')
	for (const goal of goals) {
		if (wanted.length === 0 || wanted.includes(goal.id)) console.log(await measure(goal, scale))
	}
}
