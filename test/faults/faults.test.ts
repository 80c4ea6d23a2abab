import { expect, test } from 'bun:test'
import { injectErrors, injectKills } from './faults.ts'
import { injectReportErrors, injectReportKills, openingsOfLogs } from './report-faults.ts'
import { canInject } from './subject.ts'

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

slice('what a trainer reports is written through to the disk (strace)', async () => {
	const openings = (await openingsOfLogs()).filter((line) => line.includes('O_WRONLY'))
	expect(openings).toHaveLength(3)
	for (const opening of openings) expect(opening).toContain('O_DSYNC')
})

slice(
	'reports and uploads in pieces survive being killed at any call (strace)',
	async () => {
		expect(await injectReportKills(30)).toBe(30)
	},
	120_000,
)

slice(
	'reports and uploads in pieces survive failing calls (strace)',
	async () => {
		expect(await injectReportErrors(40)).toBe(40)
	},
	120_000,
)
