/** What trainers post and what people read of it, over real files. */
import { afterAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { cpSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defaultLimits, type ServerLimits } from '../../src/server/deps.ts'
import { eventually } from '../helpers/eventually.ts'
import { noUploads, testApp } from '../helpers/test-app.ts'
import { minute, RunsFixture } from '../runs/runs-fixture.ts'

// A busy machine syncs its disk slowly.
setDefaultTimeout(30_000)

const secret = 'a-secret'
const authorization = { authorization: `Bearer ${secret}` }
const fixtures = join(import.meta.dir, '../fixtures')

let at: RunsFixture
let app: ReturnType<typeof testApp>

function open(limits: Partial<ServerLimits> = {}) {
	return testApp({
		deps: {
			trainings: at.runs,
			uploads: { ...noUploads, secret, remove: (name) => at.runs.remove(name) },
			limits: { ...defaultLimits, refusalMs: 0, ...limits },
		},
	})
}

beforeEach(async () => {
	at?.[Symbol.dispose]()
	at = await RunsFixture.open()
	app = open()
})
afterAll(() => at[Symbol.dispose]())

const ingest = (body: unknown) => app.post('/api/ingest', body, authorization)
const read = async (path: string) => (await app.get(path)).json()

const runId = 'war & peace'
const id = encodeURIComponent(runId)

async function reportAll(): Promise<void> {
	const posts = [
		{
			type: 'run_start',
			runId,
			domain: 'novels',
			trainConfig: { iters: 40 },
			modelConfig: { nEmbd: 48 },
			totalParams: 64608,
			infra: { hostname: 'shed' },
		},
		{
			type: 'event',
			runId,
			event: {
				step: 0,
				level: 'info',
				kind: 'training_started',
				message: 'go',
				timestamp: '2026-03-01T12:00:00.000Z',
			},
		},
		{
			type: 'metrics',
			runId,
			metrics: [
				{ step: 1, loss: 4, gradNorm: 1 },
				{ step: 2, loss: 3.5, valLoss: 3.6 },
			],
		},
		{
			type: 'events',
			runId,
			events: [
				{ step: 2, level: 'warn', kind: 'spike_skip', message: 'x', payload: { a: 1 } },
				{ step: 3, kind: 'eval_summary' },
			],
		},
		{
			type: 'samples',
			runId,
			step: 2,
			samples: [
				{ prompt: 'The ', output: 'The end' },
				{ prompt: 'A', output: 'AB' },
			],
			trend: { plateauLikely: true },
		},
		{ type: 'heartbeat', runId, step: 2 },
	]
	for (const post of posts) {
		const answer = await ingest(post)
		expect([answer.status, await answer.json()]).toEqual([200, { ok: true }])
	}
}

describe('POST /api/ingest', () => {
	test('takes every type of report, and complete', async () => {
		await reportAll()
		const done = await app.post('/api/ingest/complete', { runId, finalStep: 40 }, authorization)
		expect([done.status, await done.json()]).toEqual([200, { ok: true }])
		expect(await read(`/api/runs/${id}`)).toMatchObject({
			run_id: runId,
			status: 'completed',
			latest_step: 40,
			total_iters: 40,
			best_val_loss: 3.6,
			hostname: 'shed',
			estimated_params: 64608,
		})
	})

	test('takes the numbers of Python, which are not all JSON', async () => {
		const body =
			'{"type":"metrics","runId":"run","metrics":[{"step":1,"loss":NaN,"lr":-Infinity,"note":"NaN \\"Infinity"}]}'
		expect((await ingest(body)).status).toBe(200)
		expect(readFileSync(at.pathOf('run', 'metrics.jsonl'), 'utf8')).toBe(
			'{"step":1,"loss":null,"lr":null,"note":"NaN \\"Infinity"}\n',
		)
	})

	test.each([
		['no list', { metrics: 'x' }],
		['nothing', {}],
		['null', { metrics: null }],
		['items that are no objects', { metrics: [1, null, 'x', []] }],
		['items without a step', { metrics: [{ loss: 1 }] }],
		['one object', { metrics: { step: 1, loss: 2 } }],
	])('never refuses metrics for their content: %s', async (_what, fields) => {
		expect((await ingest({ type: 'metrics', runId: 'run', ...fields })).status).toBe(200)
	})

	test('keeps the last loss where later lines tell none, and loses it where one tells that it is none', async () => {
		const report = (...metrics: object[]) => ingest({ type: 'metrics', runId: 'run', metrics })
		await report({ step: 1, loss: 4 }, { step: 2, train_runtime: 3.5 })
		expect(await read('/api/runs/run')).toMatchObject({ latest_step: 2, last_loss: 4 })
		await report({ step: 3, loss: null })
		expect(await read('/api/runs/run')).toMatchObject({ latest_step: 3, last_loss: null })
	})

	test('never refuses events for their content', async () => {
		for (const event of [
			null,
			7,
			{},
			{ level: 'loud', kind: 'odd', step: 'x', message: 7, timestamp: 'now' },
			{ payload: 'x'.repeat(2 ** 21) },
		]) {
			expect((await ingest({ type: 'event', runId: 'run', event })).status).toBe(200)
		}
		const rows = await read('/api/runs/run/events')
		expect(rows).toMatchObject([
			{ level: 'info', kind: 'generic', message: '', step: null },
			{ level: 'info', kind: 'odd' },
		])
		expect(Number.isFinite(Date.parse(rows[0].created_at))).toBe(true)
	})

	test('takes objects that nest without end as nothing', async () => {
		const deep = `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`
		const body = `{"type":"metrics","runId":"run","metrics":[{"step":1,"x":${deep}},{"step":2}]}`
		expect((await ingest(body)).status).toBe(200)
		expect(await read('/api/runs/run/metrics')).toMatchObject([{ step: 2 }])
	})

	test.each([
		['an unknown type', { type: 'dance', runId: 'x' }, 'type'],
		['no type', { runId: 'x' }, 'type'],
		['no run', { type: 'metrics', metrics: [] }, 'runId'],
		['a run without a name', { type: 'metrics', runId: '', metrics: [] }, 'runId'],
		[
			'a run whose name has no end',
			{ type: 'metrics', runId: 'x'.repeat(1025), metrics: [] },
			'runId',
		],
		['a run that is a number', { type: 'metrics', runId: 7, metrics: [] }, 'runId'],
	])('refuses %s', async (_what, body, param) => {
		const answer = await ingest(body)
		expect(answer.status).toBe(400)
		expect((await answer.json()).error.param).toBe(param)
	})

	test.each(['', '[]', '{"type"', 'null'])('refuses the body %j', async (body) => {
		const answer = await ingest(body)
		expect([answer.status, (await answer.json()).error.code]).toEqual([400, 'invalid_json'])
	})

	test('refuses a body over its limit', async () => {
		app = open({ reportBytesMax: 100 })
		const answer = await ingest({
			type: 'metrics',
			runId: 'run',
			metrics: [{ step: 1, text: 'x'.repeat(100) }],
		})
		expect(answer.status).toBe(413)
	})

	test('stores a report of many megabytes line by line, without what is too long for a line', async () => {
		const text = 'what a trainer writes beside its numbers '.repeat(8)
		const points = Array.from({ length: 12_000 }, (_, i) => ({ step: i + 1, loss: 2, text }))
		const body = JSON.stringify({
			type: 'metrics',
			runId: 'run',
			metrics: [...points, { step: 12_001, text: 'x'.repeat(2 ** 20) }, { step: 12_002, loss: 3 }],
		}).replace('"loss":3', '"loss":NaN')
		expect(body.length).toBeGreaterThan(4e6)
		const answer = await ingest(body)
		expect(await answer.json()).toEqual({ ok: true })
		const log = readFileSync(at.pathOf('run', 'metrics.jsonl'), 'utf8')
		const lines = log
			.trimEnd()
			.split('\n')
			.map((line) => JSON.parse(line))
		expect(lines.map(({ step }) => step)).toEqual([...points.map(({ step }) => step), 12_002])
		expect(lines.at(-1)).toEqual({ step: 12_002, loss: null })
	})

	test('stores a long report once, however often it is sent', async () => {
		const timestamp = '2026-01-02T03:04:05.000Z'
		const rows = Array.from({ length: 12_000 }, (_, i) => ({ step: i + 1, loss: 2, timestamp }))
		for (const list of ['metrics', 'events']) {
			const body = JSON.stringify({ type: list, runId: 'run', [list]: rows })
			for (let time = 0; time < 2; time++) expect((await ingest(body)).status).toBe(200)
			const log = readFileSync(at.pathOf('run', `${list}.jsonl`), 'utf8')
			expect([list, log.trimEnd().split('\n').length]).toEqual([list, rows.length])
		}
	})

	test.each(['{"type":"metrics",', '{"type":"metrics","metrics":[1 2]}'])(
		'refuses a long body that begins like %s and is no JSON',
		async (start) => {
			const body = `${start}${' '.repeat(2 ** 21)}`
			const answer = await ingest(body)
			expect([answer.status, (await answer.json()).error.code]).toEqual([400, 'invalid_json'])
		},
	)

	test('lets reports wait for a place when too much is being read', async () => {
		app = open({ reportsBytesMax: 64 })
		const steps = Array.from({ length: 8 }, (_, i) => i + 1)
		const answers = await Promise.all(
			steps.map((step) =>
				ingest({ type: 'metrics', runId: `run ${step}`, metrics: [{ step, loss: 1 }] }),
			),
		)
		expect(answers.every(({ status }) => status === 200)).toBe(true)
		expect(await read('/api/runs')).toHaveLength(8)
	})

	test('does not follow a link out of the directory', async () => {
		mkdirSync(join(at.path, 'other'))
		writeFileSync(join(at.path, 'run'), 'a file')
		expect((await ingest({ type: 'metrics', runId: 'run', metrics: [{ step: 1 }] })).status).toBe(
			409,
		)
		expect(readFileSync(join(at.path, 'run'), 'utf8')).toBe('a file')
	})
})

describe('a wrong upload secret', () => {
	const body = { type: 'heartbeat', runId: 'x', step: 1 }

	test('is refused late', async () => {
		app = open({ refusalMs: 50 })
		const startedAt = performance.now()
		const answer = await app.post('/api/ingest', body, { authorization: 'Bearer wrong' })
		expect(answer.status).toBe(401)
		expect(performance.now() - startedAt).toBeGreaterThan(45)
	})

	test('holds nobody else up', async () => {
		app = open({ refusalMs: 1000 })
		let isRefused = false
		const refusal = app.post('/api/ingest', body, { authorization: 'Bearer wrong' }).then(() => {
			isRefused = true
		})
		expect((await ingest(body)).status).toBe(200)
		expect(isRefused).toBe(false)
		await refusal
	})

	test('is logged once in a while, however often it comes; success is not logged at all', async () => {
		for (let i = 0; i < 20; i++) {
			await app.post('/api/ingest', body, { authorization: 'Bearer wrong' })
			await ingest(body)
		}
		const lines = app.logged.filter((line) => line.includes('/api/ingest'))
		expect(lines).toHaveLength(1)
		expect(lines[0]).toContain('401')
	})
})

describe('what people read', () => {
	test('the list of runs, by status and domain', async () => {
		await reportAll()
		at.nowMs += minute
		await ingest({ type: 'run_start', runId: 'done', domain: 'poems' })
		await app.post('/api/ingest/complete', { runId: 'done' }, authorization)
		const names = async (query: string) =>
			(await read(`/api/runs${query}`)).map(({ run_id }: { run_id: string }) => run_id)
		expect(await names('')).toEqual(['done', runId])
		expect(await names('?status=active')).toEqual([runId])
		expect(await names('?status=training')).toEqual([runId])
		expect(await names('?status=completed')).toEqual(['done'])
		expect(await names('?domain=novels')).toEqual([runId])
		expect(await names('?domain=novels&status=completed')).toEqual([])
		expect((await app.get('/api/runs?status=dancing')).status).toBe(400)
	})

	test('metrics, under their own names and those of the trainer’s tables', async () => {
		await reportAll()
		expect(await read(`/api/runs/${id}/metrics`)).toEqual([
			{ run_id: runId, step: 1, loss: 4, val_loss: null, gradNorm: 1, grad_norm: 1 },
			{ run_id: runId, step: 2, loss: 3.5, valLoss: 3.6, val_loss: 3.6, grad_norm: null },
		])
		expect(await read(`/api/runs/${id}/metrics?last=1`)).toMatchObject([{ step: 2 }])
	})

	test('metrics of a step that were told in two lines, as one', async () => {
		await ingest({
			type: 'metrics',
			runId: 'run',
			metrics: [
				{ step: 1, loss: 2 },
				{ step: 1, valLoss: 3 },
			],
		})
		for (const query of ['', '?last=10']) {
			expect(await read(`/api/runs/run/metrics${query}`)).toMatchObject([{ loss: 2, valLoss: 3 }])
		}
	})

	test('metrics of a resumed training as they are now, thinned when there are many', async () => {
		const points = (from: number, to: number, loss: number) =>
			Array.from({ length: to - from + 1 }, (_, i) => ({ step: from + i, loss }))
		await ingest({ type: 'metrics', runId: 'run', metrics: points(1, 3000, 2) })
		await ingest({ type: 'metrics', runId: 'run', metrics: points(2001, 2500, 1) })
		const rows: { step: number; loss: number }[] = await read('/api/runs/run/metrics')
		expect(rows.map(({ step }) => step)).toEqual(Array.from({ length: 2500 }, (_, i) => i + 1))
		expect(rows.every(({ step, loss }) => loss === (step > 2000 ? 1 : 2))).toBe(true)
		const few: { step: number }[] = await read('/api/runs/run/metrics?points=100')
		expect(few.length).toBeLessThanOrEqual(100)
		expect(few.length).toBeGreaterThan(50)
		expect(few.at(-1)?.step).toBe(2500)
	})

	test.each([
		['', [1, 2, 3]],
		['?last=2', [2, 3]],
		['?fromId=1', [2, 3]],
		['?fromStep=3', [3]],
		['?limit=1', [1]],
		['?level=warn', [2]],
		['?kind=training_started', [1]],
		['?fromId=1&level=info&last=5', [3]],
	])('events%s', async (query, ids) => {
		await reportAll()
		const rows = await read(`/api/runs/${id}/events${query}`)
		expect(rows.map((row: { id: number }) => row.id)).toEqual(ids)
	})

	test('events as rows', async () => {
		await reportAll()
		expect((await read(`/api/runs/${id}/events`))[1]).toEqual({
			id: 2,
			run_id: runId,
			step: 2,
			level: 'warn',
			kind: 'spike_skip',
			message: 'x',
			payload: { a: 1 },
			created_at: expect.stringMatching(/^\d{4}-/),
		})
	})

	test('samples, all or of a step', async () => {
		await reportAll()
		const rows = await read(`/api/runs/${id}/samples`)
		expect(rows).toMatchObject([
			{ step: 2, idx: 0, prompt: 'The ', output: 'The end', trend: { plateauLikely: true } },
			{ step: 2, idx: 1 },
		])
		expect(await read(`/api/runs/${id}/samples?step=3`)).toEqual([])
	})

	test('checkpoints, training text, domains and files of a run', async () => {
		cpSync(join(fixtures, 'v1-word'), join(at.path, 'word'), { recursive: true })
		writeFileSync(at.pathOf('word', 'training-data.txt'), 'one\ntwo é\n')
		await at.restart()
		app = open()
		expect(await read('/api/runs/word/checkpoints')).toMatchObject([
			{
				step: 900,
				model: 'word@900',
				filename: 'checkpoint-900.json',
				file_size: expect.any(Number),
			},
			{ step: 1000, model: 'word@1000' },
		])
		expect(await read('/api/runs/word/training-data')).toEqual({
			text: 'one\ntwo é\n',
			bytes: 11,
			lines: 3,
		})
		expect(await read('/api/domains')).toMatchObject([{ id: 'chords', tokenizer: 'word' }])
		const config = readFileSync(at.pathOf('word', 'config.json'), 'utf8')
		expect(await (await app.get('/api/runs/word/download/config.json')).text()).toBe(config)
		const zipped = await app.get('/api/runs/word/download/config.json', {
			'accept-encoding': 'gzip',
		})
		expect(zipped.headers.get('content-encoding')).toBe('gzip')
		expect(Buffer.from(Bun.gunzipSync(await zipped.bytes())).toString()).toBe(config)
	})

	test('no file stays open for a client that does not read it', async () => {
		await ingest({ type: 'metrics', runId: 'run', metrics: [{ step: 1, loss: 2 }] })
		writeFileSync(at.pathOf('run', 'training-data.txt'), 'x'.repeat(2 ** 20))
		const path = '/api/runs/run/download/training-data.txt'
		const asked = await app.app.handle(new Request(`http://localhost${path}`, { method: 'HEAD' }))
		expect([asked.status, await asked.text()]).toEqual([200, ''])
		await (await app.get(path)).body?.cancel()
		const reader = (await app.get(path)).body!.getReader()
		await reader.read()
		await reader.cancel()
		const open = () =>
			readdirSync('/proc/self/fd').filter((fd) => {
				try {
					return readlinkSync(`/proc/self/fd/${fd}`).endsWith('training-data.txt')
				} catch {
					return false
				}
			})
		await eventually(() => open().length === 0)
	})

	test('never half a line', async () => {
		await ingest({ type: 'metrics', runId: 'run', metrics: [{ step: 1, loss: 2 }] })
		const whole = readFileSync(at.pathOf('run', 'metrics.jsonl'), 'utf8')
		writeFileSync(at.pathOf('run', 'metrics.jsonl'), `${whole}{"step":2,"lo`)
		expect(await (await app.get('/api/runs/run/download/metrics.jsonl')).text()).toBe(whole)
		expect(await read('/api/runs/run/metrics')).toHaveLength(1)
	})

	test.each([
		'/api/runs/nobody',
		'/api/runs/nobody/metrics',
		'/api/runs/run/training-data',
		'/api/runs/run/download/nothing.txt',
		'/api/runs/run/download/..%2f..%2fsecret',
		'/api/runs/run/download/.hidden',
		'/api/runs/..%2fother/metrics',
	])('nothing at %s', async (path) => {
		await ingest({ type: 'metrics', runId: 'run', metrics: [{ step: 1 }] })
		writeFileSync(at.pathOf('run', '.hidden'), 'x')
		expect((await app.get(path)).status).toBe(404)
	})
})

interface LiveEvent {
	readonly event: string
	readonly data: unknown
}

describe('GET /api/training/live', () => {
	async function* events(response: Response) {
		const decoder = new TextDecoder()
		let text = ''
		for await (const bytes of response.body!) {
			text += decoder.decode(bytes as Uint8Array, { stream: true })
			const blocks = text.split('\n\n')
			text = blocks.pop() ?? ''
			for (const block of blocks) {
				const [, event = '', data = ''] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? []
				if (event !== '') yield { event, data: JSON.parse(data) }
			}
		}
	}

	async function take(iterator: AsyncGenerator<LiveEvent>, count: number) {
		const taken: LiveEvent[] = []
		while (taken.length < count) taken.push((await iterator.next()).value)
		return taken
	}

	test('begins with the runs that report, then tells what comes', async () => {
		await ingest({ type: 'metrics', runId, metrics: [{ step: 1, loss: 2 }] })
		await ingest({ type: 'metrics', runId: 'ended', metrics: [{ step: 1, loss: 2 }] })
		await app.post('/api/ingest/complete', { runId: 'ended' }, authorization)
		const response = await app.get('/api/training/live')
		expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
		const live = events(response)
		const [first] = await take(live, 1)
		expect(first).toMatchObject({
			event: 'snapshot',
			data: [
				{ run_id: runId, status: 'training', metrics: [{ step: 1, loss: 2, val_loss: null }] },
			],
		})
		await reportAll()
		await app.post('/api/ingest/complete', { runId, finalStep: 40 }, authorization)
		const news = await take(live, 8)
		expect(news.map(({ event }) => event)).toEqual([
			'run_start',
			'event',
			'metrics',
			'event',
			'event',
			'samples',
			'heartbeat',
			'run_complete',
		])
		expect(news[2]?.data).toMatchObject({ runId, metrics: [{ step: 1, loss: 4 }, { step: 2 }] })
		expect(news[7]?.data).toMatchObject({ runId, finalStep: 40 })
		await live.return(undefined)
		expect(at.runs.feed.watcherCount).toBe(0)
	})

	test('can be of one run', async () => {
		await ingest({ type: 'heartbeat', runId: 'a' })
		const live = events(await app.get('/api/training/live?run=b'))
		expect(await take(live, 1)).toEqual([{ event: 'snapshot', data: [] }])
		await ingest({ type: 'heartbeat', runId: 'a' })
		await ingest({ type: 'heartbeat', runId: 'b', step: 7 })
		expect(await take(live, 1)).toEqual([
			{ event: 'heartbeat', data: { runId: 'b', run: 'b', step: 7 } },
		])
		await live.return(undefined)
	})

	test('is for so many watchers', async () => {
		app = open({ watchersMax: 1 })
		const first = await app.get('/api/training/live')
		const second = await app.get('/api/training/live')
		expect([first.status, second.status]).toEqual([200, 503])
		await first.body!.cancel()
		const third = await app.get('/api/training/live')
		expect(third.status).toBe(200)
		await third.body!.cancel()
	})

	test('ends when the server goes', async () => {
		const response = await app.get('/api/training/live')
		const text = response.text()
		at.runs.close()
		expect(await text).toStartWith('event: snapshot\n')
	})
})

describe('DELETE /api/models', () => {
	const remove = (query: string, headers: Record<string, string> = authorization) =>
		app.app.handle(
			new Request(`http://localhost/api/models${query}`, { method: 'DELETE', headers }),
		)

	test('takes a run away, by its id or as its trainer calls it', async () => {
		await reportAll()
		expect((await remove(`?name=${id}`, {})).status).toBe(401)
		const answer = await remove(`?name=${id}`)
		expect(await answer.json()).toEqual({ ok: true, deleted: expect.stringMatching(/^war-peace-/) })
		expect(await read('/api/runs')).toEqual([])
		expect((await remove(`?name=${id}`)).status).toBe(404)
		expect((await remove('')).status).toBe(400)
		expect((await remove('?name=..')).status).toBe(404)
	})
})
