/**
 * Random inputs for everything that reads what others wrote, for as long as there is time:
 * `bun test/fuzz.ts [--minutes N] [--seed N] [target …]`. An input that makes a reader fail is kept in
 * fixtures/fuzz and read again by every later run and by the tests.
 */
import { parseArgs } from 'node:util'
import { checkpoints, uploadBodies } from './checkpoint/fuzz-checkpoints.ts'
import { foreignFiles } from './checkpoint/fuzz-foreign.ts'
import { modelFiles } from './checkpoint/fuzz-models.ts'
import { FuzzFailure, type FuzzTarget, fuzz, keepInput } from './helpers/fuzz.ts'
import { requestBodies } from './server/fuzz-bodies.ts'
import { chatTemplates } from './text/fuzz-templates.ts'
import { foreignTokenizers } from './tokenizer/fuzz-tokenizers.ts'

export const targets: readonly FuzzTarget[] = [
	checkpoints,
	uploadBodies,
	foreignFiles,
	modelFiles,
	requestBodies,
	foreignTokenizers,
	chatTemplates,
]

/** Cases of a target before it is the next one's turn. */
const TURN_CASES = 2000

/** Gives the targets turns until the time is over; returns how many inputs made one fail. */
async function fuzzFor(minutes: number, firstSeed: number, chosen: readonly FuzzTarget[]) {
	const deadline = performance.now() + minutes * 60_000
	const counts = new Map(chosen.map(({ name }) => [name, { cases: 0, taken: 0, failed: 0 }]))
	for (let seed = firstSeed; performance.now() < deadline; seed += TURN_CASES) {
		for (const target of chosen) {
			const count = counts.get(target.name)!
			count.cases += TURN_CASES
			try {
				count.taken += await fuzz(target, TURN_CASES, seed)
			} catch (error) {
				if (!(error instanceof FuzzFailure)) throw error
				count.failed++
				console.log(`${error.message}\nkept as ${keepInput(target, error.input)}`, error.cause)
			}
		}
	}
	console.table(Object.fromEntries(counts))
	return [...counts.values()].reduce((sum, { failed }) => sum + failed, 0)
}

if (import.meta.main) {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			minutes: { type: 'string', default: '5' },
			seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
		},
	})
	const chosen = targets.filter(
		({ name }) => positionals.length === 0 || positionals.includes(name),
	)
	console.log(`seed ${values.seed}`)
	process.exit((await fuzzFor(Number(values.minutes), Number(values.seed), chosen)) === 0 ? 0 : 1)
}
