import { describe, expect, test } from 'bun:test'
import { toRunRow } from '../../../src/alpha/training-runs.ts'
import { sparkLine, watchLines, withMetrics } from '../../../src/commands/client/watch-view.ts'
import { formatEvent } from '../../../src/commands/events.ts'
import { formatRuns } from '../../../src/commands/runs.ts'
import { withPauses } from '../../../src/commands/watch.ts'
import { metrics, RunsFixture, start } from '../../runs/runs-fixture.ts'

/** When the run of `row` was heard of. */
const heardMs = Date.parse('2026-03-01T12:00:00Z')

async function row() {
	using at = await RunsFixture.open()
	await at.report(start('war & peace'), metrics('war & peace', 1, 20))
	return toRunRow(at.runs.list()[0]!)
}

describe('alpha watch', () => {
	test('draws losses as bars, high ones high, thinned to the width', () => {
		expect(sparkLine([8, 7, 6, 5, 4, 3, 2, 1], 8)).toBe('█▇▆▅▄▃▂▁')
		expect(sparkLine([4, 4, 2, 2], 2)).toBe('█▁')
		expect(sparkLine([1], 10)).toBe('▁')
		expect(sparkLine([], 10)).toBe('')
	})

	test('shows the run, its progress, its rate and its last events', async () => {
		const event = {
			id: 1,
			run_id: 'x',
			step: 20,
			level: 'warn',
			kind: 'spike_skip',
			message: 'too\x1b[2J much',
			payload: null,
			created_at: '2026-03-01T12:00:00.000Z',
		} as const
		const watched = withMetrics({ run: await row(), losses: [3, 2], events: [event] }, [
			{ step: 50, loss: 1.5, valLoss: 1.6, lr: 0.001, ms_per_iter: 200 },
		])
		expect(watchLines(watched, 200, heardMs)).toEqual([
			'war & peace  training  novels · shed',
			'step 50 of 100  ███████████████░░░░░░░░░░░░░░░  50 %  10 s left',
			'loss 1.6000  best validation 0.3500  lr 0.001000  ms/step 200',
			'█▃▁',
			'2026-03-01 12:00:00       20  warn   spike_skip  too [2J much',
		])
		for (const line of watchLines(watched, 20)) expect([...line].length).toBeLessThanOrEqual(20)
	})

	test('says for how long nothing has been heard of a run that has not ended', async () => {
		const run = await row()
		const head = (status: typeof run.status, seconds: number) =>
			watchLines(
				{ run: { ...run, status }, losses: [], events: [] },
				200,
				heardMs + seconds * 1000,
			)[0]
		expect(head('training', 59)).toBe('war & peace  training  novels · shed')
		expect(head('training', 240)).toBe(
			'war & peace  training, nothing heard for 4 min  novels · shed',
		)
		expect(head('stale', 7200)).toBe('war & peace  stale, nothing heard for 2.0 h  novels · shed')
		expect(head('completed', 7200)).toBe('war & peace  completed  novels · shed')
	})

	test('asks what has become of a run when its stream says nothing', async () => {
		const { promise: isAsked, resolve: asked } = Promise.withResolvers<void>()
		async function* stream() {
			yield 'first'
			await isAsked
			yield 'second'
		}
		const seen: (string | null)[] = []
		for await (const item of withPauses(stream(), 1)) {
			if (item === null) asked()
			if (item !== null || seen.at(-1) !== null) seen.push(item)
		}
		expect(seen).toEqual(['first', null, 'second'])
	})
})

test('alpha runs lists what is known of each', async () => {
	expect(formatRuns([await row()]).split('\n')).toEqual([
		'RUN          STATE     STEP    LOSS    BEST VALIDATION  LEFT  MACHINE',
		'war & peace  training  20/100  0.3500  0.3500           -     shed',
		'',
	])
})

test('alpha runs shows an endless name whole, and the other rows as they were', async () => {
	const run = await row()
	const [, short, long] = formatRuns([run, { ...run, name: 'x'.repeat(500) }]).split('\n')
	expect(short).toMatch(/^war & peace {55}training {2}20\/100/)
	expect(long).toMatch(/^x{500} {2}training {2}20\/100/)
})

test('an event is one line, whatever its trainer wrote', () => {
	const line = formatEvent({
		id: 1,
		run_id: 'x',
		step: null,
		level: 'info',
		kind: 'a\nb',
		message: 'c\rd',
		payload: null,
		created_at: '',
	})
	expect(line.trim().split('\n')).toHaveLength(1)
	expect(line).not.toContain('\r')
})
