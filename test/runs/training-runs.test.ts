import { describe, expect, test } from 'bun:test'
import {
	appendFileSync,
	cpSync,
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { runDirectoryName } from '../../src/runs/run-name.ts'
import { eventually } from '../helpers/eventually.ts'
import { event, metrics, minute, RunsFixture, start } from './runs-fixture.ts'

const fixtures = join(import.meta.dir, '../fixtures')

function stepsIn(path: string): number[] {
	const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
	return lines.map((line) => (JSON.parse(line) as { step: number }).step)
}

const range = (from: number, to: number) =>
	Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe('the directory of a run', () => {
	test('has the run’s id as its name where that is a safe one', () => {
		expect(runDirectoryName('austen-echo')).toBe('austen-echo')
	})

	test('has a safe name for any id, the same each time, another for another id', () => {
		const ids = [
			'war & peace_2026_4e6t',
			'war / peace_2026_4e6t',
			'../../etc',
			'',
			'тень',
			'.hidden',
			'a'.repeat(500),
			'x.tmp',
		]
		const names = ids.map(runDirectoryName)
		expect(names[0]).toMatch(/^war-peace_2026_4e6t-[0-9a-f]{8}$/)
		for (const name of names) expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/)
		expect(new Set(names).size).toBe(ids.length)
		expect(ids.map(runDirectoryName)).toEqual(names)
	})
})

describe('what a trainer reports', () => {
	test('is in files that people can read when it is answered', async () => {
		using at = await RunsFixture.open()
		const runId = 'war & peace'
		await at.report(
			start(runId),
			metrics(runId, 1, 20),
			{ type: 'events', runId, events: [event({ step: 20, message: 'val_loss=3.79' })] },
			{
				type: 'samples',
				runId,
				sampleSet: {
					step: 20,
					samples: [{ prompt: 'The ', output: 'The end' }],
					trend: null,
					timestamp: '2026-03-01T12:00:00.000Z',
				},
			},
		)
		const name = runDirectoryName(runId)
		expect(readdirSync(join(at.path, name)).sort()).toEqual([
			'events.jsonl',
			'metrics.jsonl',
			'run.json',
			'samples.jsonl',
		])
		expect(stepsIn(at.pathOf(name, 'metrics.jsonl'))).toEqual(range(1, 20))
		expect(readFileSync(at.pathOf(name, 'events.jsonl'), 'utf8')).toContain('val_loss=3.79')
		expect(JSON.parse(readFileSync(at.pathOf(name, 'run.json'), 'utf8'))).toMatchObject({
			runId,
			state: 'active',
			startedAt: '2026-03-01T12:00:00.000Z',
			machine: { hostname: 'shed' },
		})
		expect(at.runs.find(runId)).toMatchObject({
			name,
			runId,
			latestStep: 20,
			totalSteps: 100,
			metricCount: 20,
			bestValLoss: 5 / 20 + 0.1,
		})
	})

	test('survives a restart', async () => {
		using at = await RunsFixture.open()
		await at.report(start('run'), metrics('run', 1, 20), {
			type: 'events',
			runId: 'run',
			events: [event()],
		})
		const before = at.runs.list()
		await at.restart()
		expect(at.runs.list()).toEqual(before)
	})

	test('is taken without a start: the server may have been away then', async () => {
		using at = await RunsFixture.open()
		await at.report(metrics('run', 11, 20))
		expect(at.runs.find('run')).toMatchObject({ state: 'training', latestStep: 20 })
	})

	test('may be larger than run.json can be: what is short stays', async () => {
		using at = await RunsFixture.open()
		const big = 'x'.repeat(2 ** 22)
		const own = { type: 'run_start', runId: 'run', totalParams: 7 } as const
		await at.report({
			...own,
			domain: 'novels',
			modelConfig: { nLayer: 2 },
			trainConfig: { iters: 50, prompt: big },
			infra: { hostname: 'shed' },
		})
		await at.restart()
		expect(at.runs.find('run')).toMatchObject({
			domain: 'novels',
			totalSteps: 50,
			totalParams: 7,
			modelConfig: { nLayer: 2 },
			machine: { hostname: 'shed' },
		})
		const many = Object.fromEntries(
			Array.from({ length: 100_000 }, (_, i) => [`key ${i}`, 'long'.repeat(20)]),
		)
		await at.report({ ...own, domain: big, modelConfig: {}, trainConfig: many, infra: {} })
		await at.restart()
		expect(at.runs.find('run')).toMatchObject({ runId: 'run', totalParams: 7, domain: null })
	})

	test('is stored once, however often it is sent', async () => {
		using at = await RunsFixture.open()
		const events = { type: 'events', runId: 'run', events: [event(), event({ step: 2 })] } as const
		await at.report(start('run'), metrics('run', 1, 10), metrics('run', 1, 10), events, events)
		await at.restart()
		// The answer to the batch before was lost: it comes again with all that came since.
		await at.report(metrics('run', 1, 15), events, metrics('run', 11, 15))
		expect(stepsIn(at.pathOf('run', 'metrics.jsonl'))).toEqual(range(1, 15))
		expect(stepsIn(at.pathOf('run', 'events.jsonl'))).toEqual([1, 2])
		expect(at.runs.find('run')?.metricCount).toBe(15)
	})

	test('may go back to an older step: a training resumed from a checkpoint', async () => {
		using at = await RunsFixture.open()
		await at.report(
			start('run'),
			metrics('run', 1, 20),
			metrics('run', 11, 15, () => 1),
		)
		expect(stepsIn(at.pathOf('run', 'metrics.jsonl'))).toEqual([...range(1, 20), ...range(11, 15)])
		expect(at.runs.find('run')?.latestStep).toBe(15)
	})

	test('goes on behind half a line that a crash has left', async () => {
		using at = await RunsFixture.open()
		await at.report(start('run'), metrics('run', 1, 3))
		appendFileSync(at.pathOf('run', 'metrics.jsonl'), '{"step":4,"lo')
		await at.restart()
		expect(at.runs.find('run')?.latestStep).toBe(3)
		await at.report(metrics('run', 4, 5))
		expect(stepsIn(at.pathOf('run', 'metrics.jsonl'))).toEqual(range(1, 5))
	})

	test('keeps lines out that are no metrics, and takes the rest', async () => {
		using at = await RunsFixture.open()
		const points = [
			{ step: 1, loss: 2 },
			{ loss: 1 },
			{ step: 'x' },
			{ step: 2, text: 'y'.repeat(2 ** 21) },
			{ step: 3, loss: null },
		]
		await at.report({ type: 'metrics', runId: 'run', points })
		expect(stepsIn(at.pathOf('run', 'metrics.jsonl'))).toEqual([1, 3])
	})

	test('goes on in a new directory when somebody has removed the old one', async () => {
		using at = await RunsFixture.open()
		await at.report(start('run'), metrics('run', 1, 2))
		rmSync(join(at.path, 'run'), { recursive: true })
		await at.report(metrics('run', 3, 3))
		expect(stepsIn(at.pathOf('run', 'metrics.jsonl'))).toEqual([3])
		expect(existsSync(at.pathOf('run', 'run.json'))).toBe(true)
		expect(at.runs.find('run')).toMatchObject({ latestStep: 3, metricCount: 1, state: 'training' })
	})

	test('is refused while the checkpoints directory is gone, which is not made anew', async () => {
		using fixture = await RunsFixture.open()
		await fixture.report(start('run'), metrics('run', 1, 3))
		renameSync(fixture.path, `${fixture.path}.old`)
		for (const report of [metrics('run', 4, 5), start('run'), start('another')]) {
			await expect(fixture.report(report)).rejects.toMatchObject({
				kind: 'not-writable',
				message: 'Nothing is stored at the moment: the checkpoints directory does not exist.',
			})
		}
		expect(existsSync(fixture.path)).toBe(false)
		renameSync(`${fixture.path}.old`, fixture.path)
		await fixture.report(metrics('run', 4, 5))
		expect(stepsIn(fixture.pathOf('run', 'metrics.jsonl'))).toEqual(range(1, 5))
	})

	test('of many runs at once stays apart', async () => {
		using at = await RunsFixture.open()
		const ids = range(1, 50).map((i) => `run ${i}`)
		await Promise.all(
			ids.flatMap((id) =>
				range(0, 9).map((i) => at.runs.report(metrics(id, 10 * i + 1, 10 * i + 10))),
			),
		)
		for (const id of ids) {
			expect(stepsIn(at.pathOf(runDirectoryName(id), 'metrics.jsonl'))).toEqual(range(1, 100))
		}
	})
})

describe('a run is', () => {
	test('training while it reports and has no checkpoint, then stale, then training again', async () => {
		using at = await RunsFixture.open()
		await at.report(start('run'))
		expect(at.runs.find('run')?.state).toBe('training')
		at.nowMs += 6 * minute
		expect(at.runs.find('run')?.state).toBe('stale')
		await at.report({ type: 'heartbeat', runId: 'run', step: 3 })
		expect(at.runs.find('run')?.state).toBe('training')
		at.nowMs += 4 * minute
		await at.restart()
		expect(at.runs.find('run')?.state).toBe('training')
	})

	test('active when it reports and can be talked to', async () => {
		using at = await RunsFixture.open()
		cpSync(join(fixtures, 'v1-char'), join(at.path, 'run'), { recursive: true })
		await at.restart()
		await at.report(start('run', 1000), metrics('run', 301, 302))
		expect(at.runs.find('run')).toMatchObject({ state: 'active', checkpointSteps: [300] })
	})

	test('completed when its trainer says so, until it goes on', async () => {
		using at = await RunsFixture.open()
		await at.report(start('run'), metrics('run', 1, 100))
		await at.report({ type: 'complete', runId: 'run', finalStep: 100, isFailed: false })
		at.nowMs += 60 * minute
		await at.report(metrics('run', 91, 100))
		expect(at.runs.find('run')?.state).toBe('completed')
		await at.report(metrics('run', 101, 110))
		expect(at.runs.find('run')?.state).toBe('training')
	})

	test('failed when its trainer says so, or fell silent with an error', async () => {
		using at = await RunsFixture.open()
		await at.report(start('a'), { type: 'complete', runId: 'a', finalStep: 7, isFailed: true })
		await at.report(start('b'), {
			type: 'events',
			runId: 'b',
			events: [event({ level: 'error', kind: 'loss_nan' })],
		})
		expect(at.runs.find('b')?.state).toBe('training')
		at.nowMs += 6 * minute
		expect([at.runs.find('a')?.state, at.runs.find('b')?.state]).toEqual(['failed', 'failed'])
	})
})

describe('a run that a trainer writes here without reporting', () => {
	test('is known by its files', async () => {
		using at = await RunsFixture.open()
		cpSync(join(fixtures, 'v1-char'), join(at.path, 'run'), { recursive: true })
		await at.restart()
		expect(at.runs.find('run')).toMatchObject({
			state: 'completed',
			latestStep: 300,
			domain: 'abc',
			metricCount: 300,
			checkpointSteps: [300],
		})
	})

	test('is found by who asks for it before any look at the directory has seen it', async () => {
		using at = await RunsFixture.open()
		cpSync(join(fixtures, 'v1-char'), join(at.path, 'run'), { recursive: true })
		expect(at.runs.find('run')).toBeUndefined()
		await at.runs.lookFor('run')
		expect(at.runs.find('run')).toMatchObject({ latestStep: 300, metricCount: 300 })
		await at.runs.lookFor('another')
		expect(at.runs.find('another')).toBeUndefined()
	})

	test('is followed live', async () => {
		using at = await RunsFixture.open()
		mkdirSync(join(at.path, 'run'))
		writeFileSync(at.pathOf('run', 'config.json'), '{"trainConfig":{"iters":50},"modelConfig":{}}')
		writeFileSync(at.pathOf('run', 'metrics.jsonl'), '{"step":1,"loss":3}\n')
		at.nowMs = Date.now()
		await eventually(() => at.runs.find('run')?.latestStep === 1)
		await at.runs.ready()
		expect(at.runs.find('run')?.state).toBe('training')
		const watcher = at.runs.feed.watch('run')
		appendFileSync(at.pathOf('run', 'metrics.jsonl'), '{"step":2,"loss":2.5}\n{"step":3')
		expect((await watcher.next()).value).toEqual([
			{ run: 'run', runId: 'run', type: 'metrics', fields: '"metrics":[{"step":2,"loss":2.5}]' },
		])
		await watcher.return()
	})

	test('is told as JSON on one line, however its lines end and begin', async () => {
		using at = await RunsFixture.open()
		mkdirSync(join(at.path, 'run'))
		writeFileSync(at.pathOf('run', 'metrics.jsonl'), '{"step":1,"loss":3}\r\n')
		await eventually(() => at.runs.find('run')?.latestStep === 1)
		await at.runs.ready()
		const watcher = at.runs.feed.watch('run')
		appendFileSync(at.pathOf('run', 'metrics.jsonl'), ' {"step":2,\r"loss":2}\r\n{"step":3}\r\n')
		const samples = '{"step":3,"samples":[]}\r\n { "step": 4, "samples": [] } \n{ }\n'
		writeFileSync(at.pathOf('run', 'samples.jsonl'), samples)
		const told: unknown[] = []
		while (told.length < 4) {
			const { value = [] } = await watcher.next()
			if (value === 'missed') throw new Error('nothing was missed')
			for (const { fields } of value) {
				expect(fields).not.toMatch(/[\r\n]/)
				told.push(JSON.parse(`{${fields}}`))
			}
		}
		expect(told).toEqual([
			{ metrics: [{ step: 2, loss: 2 }, { step: 3 }] },
			{ step: 3, samples: [] },
			{ step: 4, samples: [] },
			{},
		])
		await watcher.return()
	})
})

describe('a watcher', () => {
	test('gets what is reported, in order', async () => {
		using at = await RunsFixture.open()
		const watcher = at.runs.feed.watch(null)
		await at.report(start('run'), metrics('run', 1, 2), {
			type: 'events',
			runId: 'run',
			events: [event()],
		})
		await at.report({ type: 'heartbeat', runId: 'run', step: 2 })
		await at.report({ type: 'complete', runId: 'run', finalStep: 2, isFailed: false })
		const { value = [] } = await watcher.next()
		if (value === 'missed') throw new Error('nothing was missed')
		expect(value.map(({ type }) => type)).toEqual([
			'run_start',
			'metrics',
			'event',
			'heartbeat',
			'run_complete',
		])
		for (const { fields } of value) JSON.parse(`{${fields}}`)
		await watcher.return()
	})

	test('hears what others write beside a trainer that reports', async () => {
		using at = await RunsFixture.open()
		await at.report(start('run'), metrics('run', 1, 1))
		const watcher = at.runs.feed.watch('run')
		await at.report(metrics('run', 2, 2))
		appendFileSync(at.pathOf('run', 'events.jsonl'), '{"message":"from elsewhere"}\n')
		const news: string[] = []
		while (!news.some((fields) => fields.includes('from elsewhere'))) {
			const { value } = await watcher.next()
			if (Array.isArray(value)) news.push(...value.map(({ fields }) => fields))
		}
		await watcher.return()
	})

	test('of one run hears of no other', async () => {
		using at = await RunsFixture.open()
		const watcher = at.runs.feed.watch('b')
		await at.report(start('a'), start('b'))
		expect((await watcher.next()).value).toMatchObject([{ run: 'b' }])
	})

	test('hears of a training that goes on when it counts as going on', async () => {
		using at = await RunsFixture.open()
		await at.report(metrics('run', 1, 2))
		await at.report({ type: 'complete', runId: 'run', finalStep: 2, isFailed: false })
		const watcher = at.runs.feed.watch('run')
		await at.report(metrics('run', 3, 4))
		expect((await watcher.next()).value).toMatchObject([
			{ type: 'metrics' },
			{ type: 'heartbeat', fields: '"step":4' },
		])
		expect(at.runs.find('run')?.state).toBe('training')
	})

	test('that falls behind is told so, and costs no memory', async () => {
		using at = await RunsFixture.open()
		const watcher = at.runs.feed.watch(null)
		const payload = 'x'.repeat(2 ** 16)
		for (let step = 0; step < 80; step++) {
			await at.report({ type: 'events', runId: 'run', events: [event({ step, payload })] })
		}
		expect((await watcher.next()).value).toBe('missed')
		expect(Array.isArray((await watcher.next()).value)).toBe(true)
	})

	test('leaves no trace when it goes', async () => {
		using at = await RunsFixture.open()
		const watcher = at.runs.feed.watch(null)
		const next = watcher.next()
		await watcher.return()
		expect((await next).done).toBe(true)
		expect(at.runs.feed.watcherCount).toBe(0)
	})
})

describe('a deleted run', () => {
	test('is gone at once and stays in the trash for a day', async () => {
		using at = await RunsFixture.open()
		await at.report(start('run'), metrics('run', 1, 2))
		await at.runs.remove('run')
		expect(at.runs.list()).toEqual([])
		const [trashed = ''] = readdirSync(join(at.path, '.trash'))
		expect(readdirSync(join(at.path, '.trash', trashed)).sort()).toEqual([
			'metrics.jsonl',
			'run.json',
		])
		at.nowMs += 23 * 60 * minute
		await at.restart()
		expect(existsSync(join(at.path, '.trash'))).toBe(true)
		at.nowMs += 2 * 60 * minute
		await at.restart()
		expect(readdirSync(at.path)).toEqual([])
	})

	test('loses nothing that was answered when its trainer goes on reporting', async () => {
		using at = await RunsFixture.open()
		const steps = range(1, 60)
		await Promise.all(
			steps.flatMap((step) => [
				at.report(metrics('run', step, step)),
				...(step % 10 === 5 ? [at.runs.remove('run')] : []),
			]),
		)
		const trash = join(at.path, '.trash')
		const logs = [
			...readdirSync(trash).map((entry) => join(trash, entry, 'metrics.jsonl')),
			at.pathOf('run', 'metrics.jsonl'),
		]
		const stored = logs.filter((path) => existsSync(path)).flatMap(stepsIn)
		expect(stored.sort((a, b) => a - b)).toEqual(steps)
	})

	test('can report again', async () => {
		using at = await RunsFixture.open()
		await at.report(start('run'), metrics('run', 1, 2))
		await at.runs.remove('run')
		await at.report(start('run'), metrics('run', 1, 1))
		expect(stepsIn(at.pathOf('run', 'metrics.jsonl'))).toEqual([1])
	})
})
