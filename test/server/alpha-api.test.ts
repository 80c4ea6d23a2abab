/** The endpoints under /api. */
import { describe, expect, test } from 'bun:test'
import { ModelCardSchema, RunListSchema } from '../../src/alpha/schemas/models.ts'
import { violations } from '../helpers/conforms.ts'
import { fakeCard, fakeTokenizer, saying } from '../helpers/fake-catalog.ts'
import { noUploads, testApp } from '../helpers/test-app.ts'

describe('/api/models', () => {
	test('lists the runs with exactly the documented keys', async () => {
		const response = await testApp().get('/api/models')
		const runs = await response.json()
		expect(violations(RunListSchema, runs)).toEqual([])
		expect(runs[0]).toEqual({
			id: 'first',
			name: 'first',
			step: 900,
			mtime: 1771438445123.4,
			lastLoss: 4.123,
			domain: 'novels',
			modelConfig: { vocabSize: 51, blockSize: 64 },
			trainConfig: { iters: 3000, batchSize: 4 },
			format: 'json',
			family: 'alpha',
		})
	})

	test('shows damaged runs last, with their reason', async () => {
		const damaged = [fakeCard('broken', { state: 'damaged', reason: 'wte is short' })]
		const runs = await (await testApp({ unserved: damaged }).get('/api/models')).json()
		expect(runs.at(-1)).toMatchObject({ id: 'broken', state: 'damaged', reason: 'wte is short' })
		expect(runs).toHaveLength(3)
	})
})

describe('/api/models/{id}', () => {
	test('is the card with the metrics series', async () => {
		const card = await (await testApp().get('/api/models/first?points=1')).json()
		expect(violations(ModelCardSchema, card)).toEqual([])
		expect(card).toMatchObject({
			steps: [900],
			parameterCount: 1000,
			tokenizer: { type: 'char' },
			metrics: { lineCount: 3, badLineCount: 1, points: [{ step: 1, loss: 5 }] },
		})
	})

	test('tells why a run is damaged', async () => {
		const damaged = [fakeCard('broken', { state: 'damaged', reason: 'wte is short' })]
		const card = await (await testApp({ unserved: damaged }).get('/api/models/broken')).json()
		expect(violations(ModelCardSchema, card)).toEqual([])
		expect(card).toMatchObject({ state: 'damaged', reason: 'wte is short', memoryBytes: null })
	})

	for (const query of ['points=0', 'points=x', 'points=1001']) {
		test(`refuses ${query}`, async () => {
			expect((await testApp().get(`/api/models/first?${query}`)).status).toBe(400)
		})
	}

	test('load and unload need the upload secret', async () => {
		const uploads = { ...noUploads, secret: 's' }
		const app = testApp({ deps: { uploads } })
		const authorization = { authorization: 'Bearer s' }
		expect((await app.post('/api/models/first/load', '')).status).toBe(401)
		const loaded = await app.post('/api/models/first/load', '', authorization)
		expect(await loaded.json()).toEqual({ id: 'first', state: 'loaded' })
		const unloaded = await app.post('/api/models/first/unload', '', authorization)
		expect(await unloaded.json()).toMatchObject({ id: 'first' })
		expect((await app.post('/api/models/nope/unload', '', authorization)).status).toBe(404)
		expect(app.catalog.leaseCount()).toBe(0)
	})
})

describe('/api/generate', () => {
	test('answers a POST', async () => {
		const response = await testApp().post('/api/generate', { prompt: 'once', max_tokens: 5 })
		expect(await response.json()).toEqual({
			text: 'hello',
			model: 'first',
			usage: { prompt_tokens: 4, completion_tokens: 5 },
			finish_reason: 'length',
		})
	})

	test('answers a GET, never from a cache', async () => {
		const app = testApp()
		const response = await app.get('/api/generate?prompt=a+b%20c%C3%A9&max_tokens=3&temperature=0')
		expect(response.headers.get('cache-control')).toBe('no-store')
		expect((await response.json()).text).toBe('hel')
		expect(app.catalog.runs[0]!.request).toMatchObject({
			promptTokenIds: fakeTokenizer.encode('a b cé'),
			maxTokens: 3,
			sampling: { temperature: 0 },
		})
	})

	test('takes each parameter from the query first, then from the body', async () => {
		const app = testApp()
		const body = { prompt: 'x', max_tokens: 9, temperature: 1, model: 'second', seed: 3 }
		await app.post('/api/generate?prompt=yy&max_tokens=2&seed=4', body)
		expect(app.catalog.runs[0]!.request).toMatchObject({
			promptTokenIds: fakeTokenizer.encode('yy'),
			maxTokens: 2,
			sampling: { temperature: 1, seed: 4 },
		})
	})

	test('takes a POST without a body', async () => {
		expect((await testApp().post('/api/generate?prompt=a', '')).status).toBe(200)
	})

	test('has the documented defaults and cap', async () => {
		const app = testApp()
		await app.post('/api/generate', { prompt: 'a' })
		await app.post('/api/generate', { prompt: 'a', max_tokens: 99_999 })
		await app.post('/api/generate', { prompt: 'a', max_tokens: -1 })
		await app.get('/api/generate?prompt=a&max_tokens=-1')
		for (const run of app.catalog.runs) {
			expect(run.request).toMatchObject({
				maxTokens: 2048,
				sampling: { temperature: 0.7, topK: 40 },
			})
		}
	})
})

describe('/api/inference', () => {
	test('decodes what it can of a query, a broken percent sequence aside', async () => {
		const { app, catalog } = testApp({ script: saying('hi') })
		await app.handle(new Request('http://localhost/api/inference?query=100%+so%20'))
		expect(catalog.runs[0]!.request.promptTokenIds).toEqual(fakeTokenizer.encode('100% so '))
	})

	test('echoes the prompt, streams tokens and ends in [DONE]', async () => {
		const response = await testApp({ script: saying('hi') }).get('/api/inference?query=so%20')
		expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
		expect(await response.text()).toBe(
			'data: {"token":"so "}\n\ndata: {"token":"h"}\n\ndata: {"token":"i"}\n\ndata: [DONE]\n\n',
		)
	})

	test('starts from nothing', async () => {
		const app = testApp({ script: saying('hi') })
		const text = await (await app.get('/api/inference')).text()
		expect(text).toStartWith('data: {"token":""}\n\n')
		expect(app.catalog.runs[0]!.request).toMatchObject({
			promptIsStartToken: true,
			maxTokens: 200,
			sampling: { temperature: 0.8, topK: 40 },
		})
	})

	test('caps the steps and takes its settings', async () => {
		const app = testApp()
		await app.get('/api/inference?steps=9999&temp=0&topk=0&seed=7&model=second')
		expect(app.catalog.runs[0]!.request).toMatchObject({
			maxTokens: 500,
			sampling: { temperature: 0, topK: 0, seed: 7 },
		})
	})
})

describe('/api/chat', () => {
	test('streams bare text', async () => {
		const body = { messages: [{ role: 'user', content: 'once' }] }
		const response = await testApp().post('/api/chat', body)
		expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
		expect(await response.text()).toBe('hello world')
	})

	test('has the documented defaults and cap', async () => {
		const app = testApp()
		const messages = [{ role: 'user', content: 'once' }]
		await app.post('/api/chat', { messages })
		await app.post('/api/chat', { messages, maxTokens: 9999, temperature: 0, topk: 0 })
		expect(app.catalog.runs.map((run) => run.request)).toMatchObject([
			{ maxTokens: 200, sampling: { temperature: 0.8, topK: 40 } },
			{ maxTokens: 500, sampling: { temperature: 0, topK: 0 } },
		])
	})

	test('reads UI messages: texts of the parts, joined', async () => {
		const app = testApp()
		await app.post('/api/chat', {
			id: 'chat',
			trigger: 'submit-message',
			messages: [
				{ id: '1', role: 'user', parts: [{ type: 'text', text: 'a' }] },
				{
					id: '2',
					role: 'assistant',
					parts: [
						{ type: 'step-start' },
						{ type: 'text', text: 'b', state: 'done' },
						{ type: 'tool-x', input: {} },
						{ type: 'text', text: 'c' },
					],
				},
				{ id: '3', role: 'user', content: 'd', parts: [{ type: 'text', text: 'ignored' }] },
			],
		})
		const expected = fakeTokenizer.encode('a\nbc\nd')
		expect(app.catalog.runs[0]!.request.promptTokenIds).toEqual(expected)
	})

	test('gives the tokens of chat completions', async () => {
		const app = testApp()
		const messages = [
			{ role: 'system', content: 'a' },
			{ role: 'user', content: 'b' },
		]
		await app.post('/api/chat', { messages })
		await app.post('/v1/chat/completions', { messages })
		const [ours, theirs] = app.catalog.runs
		expect(ours!.request.promptTokenIds).toEqual(theirs!.request.promptTokenIds)
		expect(ours!.request.stopTokenIds).toEqual(theirs!.request.stopTokenIds)
	})

	test('has nothing to resume', async () => {
		expect((await testApp().get('/api/chat/abc/stream')).status).toBe(204)
	})
})

describe('/api/upload', () => {
	const received: string[] = []
	const uploads = {
		...noUploads,
		secret: 'correct horse',
		receive: async ({ body }: { body: AsyncIterable<Uint8Array> }) => {
			received.push(Buffer.concat(await Array.fromAsync(body)).toString())
			return { name: 'my-run', step: 0 }
		},
	}

	test('is forbidden without a secret to compare with', async () => {
		const response = await testApp().post('/api/upload', {}, { authorization: 'Bearer undefined' })
		expect(response.status).toBe(403)
		const { error } = await response.json()
		expect(error.code).toBe('uploads_disabled')
		expect(error.message).toContain('UPLOAD_SECRET')
	})

	for (const [what, headers] of [
		['no token', {}],
		['a wrong token', { authorization: 'Bearer wrong' }],
		['a part of the token', { authorization: 'Bearer correct' }],
		['another scheme', { authorization: 'Basic correct horse' }],
	] as const) {
		test(`${what} is 401 and nothing of the body is read`, async () => {
			let isRead = false
			const body = new ReadableStream(
				{
					pull(controller) {
						isRead = true
						controller.close()
					},
				},
				{ highWaterMark: 0 },
			)
			const { app } = testApp({ deps: { uploads } })
			const request = new Request('http://localhost/api/upload', { method: 'POST', headers, body })
			const response = await app.handle(request)
			expect(response.status).toBe(401)
			expect(response.headers.get('www-authenticate')).toBe('Bearer')
			expect(isRead).toBe(false)
		})
	}

	test('hands the body to the receiver', async () => {
		const deps = { uploads: { ...uploads, secret: 'two  words' } }
		const headers = { authorization: 'bearer two  words ', 'content-encoding': 'gzip' }
		const response = await testApp({ deps }).post('/api/upload', 'bytes', headers)
		expect(response.status).toBe(200)
		expect(await response.json()).toEqual({ ok: true, name: 'my-run', step: 0 })
		expect(received).toEqual(['bytes'])
	})
})
