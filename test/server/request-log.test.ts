/** The line that each request has in the log. */
import { describe, expect, test } from 'bun:test'
import { RepeatFilter } from '../../src/server/repeat-filter.ts'
import { eventually } from '../helpers/eventually.ts'
import { type FakeRun, readPrompt, saying } from '../helpers/fake-catalog.ts'
import { type TestAppOptions, testApp } from '../helpers/test-app.ts'

const chat = { messages: [{ role: 'user', content: 'a secret' }], max_tokens: 5 }

function open(options: TestAppOptions = {}) {
	const app = testApp(options)
	/** The lines about requests so far. */
	const lines = () =>
		app.logged
			.map((line) => JSON.parse(line) as Record<string, unknown>)
			.filter(({ message }) => message === 'request')
	return { ...app, lines }
}

/** A run that says nothing until it is told to. */
function silent() {
	const runs: FakeRun[] = []
	return { runs, script: (run: FakeRun) => void runs.push(run) }
}

function post(
	url: string,
	body: unknown,
	headers: Record<string, string> = {},
	signal?: AbortSignal,
) {
	return fetch(`${url}/v1/chat/completions`, {
		method: 'POST',
		headers: { 'content-type': 'application/json', ...headers },
		body: JSON.stringify(body),
		...(signal === undefined ? {} : { signal }),
	})
}

describe('the line of a request', () => {
	test('tells what was asked of whom, what it cost and how it ended', async () => {
		const app = open({ script: saying('hello world') })
		const response = await app.post('/v1/chat/completions', chat, { 'x-request-id': 'mine' })
		await response.text()
		expect(app.lines()).toEqual([
			{
				level: 'info',
				message: 'request',
				requestId: 'mine',
				method: 'POST',
				route: '/v1/chat/completions',
				path: '/v1/chat/completions',
				status: 200,
				ms: expect.any(Number),
				client: 'unknown',
				model: 'first',
				promptTokens: 8,
				cachedTokens: 0,
				completionTokens: 5,
				queueMs: expect.any(Number),
				firstTokenMs: expect.any(Number),
				finishReason: 'length',
			},
		])
	})

	test('comes when a stream has ended, not when it begins', async () => {
		const { runs, script } = silent()
		const app = open({ script })
		using server = app.listen()
		const response = await post(server.url, { ...chat, stream: true })
		await eventually(() => runs.length === 1)
		expect(app.lines()).toEqual([])
		readPrompt(runs[0]!)
		runs[0]!.say(0, 'hello')
		await response.text()
		await eventually(() => app.lines().length === 1)
		expect(app.lines()[0]).toMatchObject({ status: 200, completionTokens: 5 })
		expect(app.lines()[0]).not.toHaveProperty('leftFirst')
	})

	test('adds up all prompts and choices', async () => {
		const app = open({ script: saying('hi') })
		const body = { prompt: ['a', 'bc'], n: 2, max_tokens: 2 }
		await (await app.post('/v1/completions', body)).text()
		expect(app.lines()[0]).toMatchObject({ promptTokens: 3, completionTokens: 8 })
	})

	test('says that the client left first, streamed or not', async () => {
		for (const stream of [true, false]) {
			const { runs, script } = silent()
			const app = open({ script })
			using server = app.listen()
			const client = new AbortController()
			const answer = post(server.url, { ...chat, stream }, {}, client.signal).then((r) => r.text())
			await eventually(() => runs.length === 1)
			readPrompt(runs[0]!)
			client.abort()
			await expect(answer).rejects.toThrow()
			await eventually(() => app.lines().length === 1)
			expect(app.lines()[0]).toMatchObject({ leftFirst: 'client', finishReason: 'abort' })
		}
	})

	test('says that the server ended a stream', async () => {
		const { runs, script } = silent()
		const app = open({ script })
		using server = app.listen()
		const response = await post(server.url, { ...chat, stream: true })
		await eventually(() => runs.length === 1)
		readPrompt(runs[0]!)
		runs[0]!.fail(new Error('worker died'))
		await response.text()
		await eventually(() => app.lines().length === 1)
		expect(app.lines()[0]).toMatchObject({ leftFirst: 'server' })
	})

	test('names the key and never shows it', async () => {
		const apiKeys = [{ name: 'laptop', value: 'k-1234' }]
		const app = open({ script: saying('hi'), deps: { apiKeys } })
		await app.post('/v1/chat/completions', chat, { authorization: 'Bearer k-1234' })
		await app.get('/v1/models', { authorization: 'Bearer wrong' })
		expect(app.lines().map(({ status, key }) => [status, key])).toEqual([
			[200, 'laptop'],
			[401, undefined],
		])
		expect(app.logged.join()).not.toContain('k-1234')
	})

	test('has the address of the client, seen through trusted proxies only', async () => {
		for (const [trustedProxies, client] of [
			[[], '127.0.0.1'],
			[['127.0.0.1'], '203.0.113.9'],
		] as const) {
			const app = open({ deps: { trustedProxies } })
			using server = app.listen()
			await fetch(`${server.url}/v1/models`, { headers: { 'x-forwarded-for': '203.0.113.9' } })
			expect(app.lines()[0]).toMatchObject({ client })
		}
	})

	test('shows the beginning of a path without end', async () => {
		const app = open()
		await app.get(`/${'x'.repeat(5000)}`)
		expect(app.lines()[0]).toMatchObject({
			status: 404,
			route: 'none',
			path: `/${'x'.repeat(255)}`,
		})
	})

	test('has nothing of what was in the request, nor of its query', async () => {
		const app = open({ script: saying('hello') })
		await app.post('/v1/chat/completions', chat)
		await app.get('/api/generate?prompt=a+secret&max_tokens=3')
		expect(app.lines()).toHaveLength(2)
		expect(app.logged.join()).not.toContain('secret')
	})
})

describe('a flood', () => {
	test('of refusals has a line a minute for each client, of cheap answers a hundred', async () => {
		const app = open({ deps: { apiKeys: [{ name: 'a', value: 'a-key' }] } })
		for (let i = 0; i < 150; i++) {
			await app.get('/v1/models')
			await app.get('/v1/models', { authorization: 'Bearer a-key' })
		}
		const statuses = app.lines().map(({ status }) => status)
		expect(statuses.filter((status) => status === 401)).toHaveLength(1)
		expect(statuses.filter((status) => status === 200)).toHaveLength(100)
	})

	test('of many clients has so many lines a minute in all', () => {
		let now = 0
		const filter = new RepeatFilter({ inAllMax: 3, now: () => now })
		const taken = Array.from({ length: 5 }, (_, client) => filter.take(`of ${client}`))
		expect(taken).toEqual([0, 0, 0, null, null])
		now = 60_000
		expect([filter.take('of 7'), filter.take('of 8')]).toEqual([2, 0])
	})

	test('of requests that compute has a line for each', async () => {
		const app = open({ script: saying('hi') })
		for (let i = 0; i < 120; i++) await app.post('/v1/chat/completions', chat)
		expect(app.lines()).toHaveLength(120)
	})

	test('is counted, and the count told a minute later', () => {
		let now = 0
		const filter = new RepeatFilter({ now: () => now })
		expect([filter.take('x', 2), filter.take('x', 2), filter.take('x', 2)]).toEqual([0, 0, null])
		expect([filter.take('y'), filter.take('x', 2)]).toEqual([0, null])
		now = 60_000
		expect([filter.take('x', 2), filter.take('x', 2)]).toEqual([2, 0])
	})
})

test('the metrics know methods of HTTP only', async () => {
	const app = open()
	for (const method of ['PROPFIND', 'MKCOL']) {
		await app.app.handle(new Request('http://localhost/v1/models', { method }))
	}
	const text = await (await app.get('/metrics')).text()
	expect(text).toContain(
		'alpha_http_requests_total{method="other",route="/v1/models",status="405"} 2',
	)
	expect(text).not.toContain('PROPFIND')
})
