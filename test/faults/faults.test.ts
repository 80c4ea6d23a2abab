import { expect, test } from 'bun:test'
import { canInject, injectErrors, injectKills } from './faults.ts'

/** A slice of what `faults.ts` tries; it needs strace and the right to trace. */
const slice = canInject() ? test : test.skip

slice(
	'uploads survive being killed at any call (strace)',
	async () => {
		expect((await injectKills(20)).points).toBe(20)
	},
	120_000,
)

slice(
	'uploads survive failing calls (strace)',
	async () => {
		expect((await injectErrors(60)).points).toBe(60)
	},
	120_000,
)
