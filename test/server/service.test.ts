/** Models, embeddings, tokenizer, probes, metrics, documentation; and what holds on every path. */
import { describe, expect, test } from 'bun:test'
import { ModelList } from '../../src/openai/models.ts'
import { Embeddings } from '../../src/openai/schemas/embeddings.ts'
import { violations } from '../helpers/conforms.ts'
import { fakeTokenizer } from '../helpers/fake-catalog.ts'
import { testApp } from '../helpers/test-app.ts'

describe('/v1/models', () => {
	test('lists the models', async () => {
		const list = await (await testApp().get('/v1/models')).json()
		expect(violations(ModelList, list)).toEqual([])
		expect(list.data[0]).toEqual({
			id: 'first',
			object: 'model',
			created: 1771438445,
			owned_by: 'alpha',
			max_model_len: 64,
		})
	})

	test('lists nothing when there is nothing', async () => {
		const list = await (await testApp({ cards: [] }).get('/v1/models')).json()
		expect(list).toEqual({ object: 'list', data: [] })
	})

	test('retrieves one', async () => {
		expect(await (await testApp().get('/v1/models/second')).json()).toMatchObject({ id: 'second' })
		expect((await testApp().get('/v1/models/nope')).status).toBe(404)
		expect((await testApp().get('/v1/models/%zz')).status).toBe(400)
	})

	test('answers HEAD without a body', async () => {
		const { app } = testApp()
		const response = await app.handle(new Request('http://localhost/v1/models', { method: 'HEAD' }))
		expect(response.status).toBe(200)
		expect(await response.text()).toBe('')
	})
})

describe('/v1/embeddings', () => {
	test('are vectors of length 1', async () => {
		const response = await testApp().post('/v1/embeddings', { input: ['ab', 'c'] })
		const answer = await response.json()
		expect(violations(Embeddings, answer)).toEqual([])
		expect(answer.usage).toEqual({ prompt_tokens: 3, total_tokens: 3 })
		for (const { embedding } of answer.data) {
			expect(Math.hypot(...embedding)).toBeCloseTo(1, 6)
		}
	})

	test('come as base64 of the same numbers', async () => {
		const body = { input: [[1, 2]], encoding_format: 'base64' }
		const answer = await (await testApp().post('/v1/embeddings', body)).json()
		const bytes = Uint8Array.fromBase64(answer.data[0].embedding)
		expect([...new Float32Array(bytes.buffer)].map((v) => Math.fround(v))).toEqual(
			[0.6, 0.8, 0, 0].map(Math.fround),
		)
	})
})

describe('tokenizer', () => {
	test('encodes a text and decodes it again', async () => {
		const app = testApp()
		const body = { prompt: 'hi', return_token_strs: true }
		const encoded = await (await app.post('/tokenize', body)).json()
		expect(encoded).toEqual({
			count: 2,
			max_model_len: 64,
			tokens: fakeTokenizer.encode('hi'),
			token_strs: ['h', 'i'],
		})
		const decoded = await (await app.post('/detokenize', { tokens: encoded.tokens })).json()
		expect(decoded).toEqual({ prompt: 'hi', content: 'hi' })
		expect(app.catalog.leaseCount()).toBe(0)
	})

	test.each(['/tokenizer_info', '/v1/tokenizer_info?model=second'])(
		'%s tells what it reserves',
		async (path) => {
			expect(await (await testApp().get(path)).json()).toEqual({
				tokenizer_class: 'CharTokenizer',
				bos_token: null,
				eos_token: null,
				pad_token: null,
				unk_token: null,
				additional_special_tokens: [],
				add_bos_token: false,
				add_eos_token: false,
				model_max_length: 64,
				chat_template: null,
			})
			expect((await testApp().get('/tokenizer_info?model=nobody')).status).toBe(404)
		},
	)

	test('encodes messages as chat does', async () => {
		const messages = [
			{ role: 'user', content: 'a' },
			{ role: 'user', content: 'b' },
		]
		const { tokens } = await (await testApp().post('/tokenize', { messages })).json()
		expect(tokens).toEqual(fakeTokenizer.encode('a\nb'))
	})
})

describe('probes', () => {
	for (const path of ['/health', '/v1/health', '/healthz', '/readyz']) {
		test(`${path} is ok, and 503 while the server goes down`, async () => {
			const ready = await testApp().get(path)
			expect(ready.status).toBe(200)
			expect(await ready.json()).toMatchObject({ status: 'ok' })
			const leaving = await testApp({ deps: { isDraining: () => true } }).get(path)
			expect(leaving.status).toBe(503)
			expect(leaving.headers.get('retry-after')).toBe('5')
		})
	}

	test('while models are loaded for the start, the server is alive and not ready', async () => {
		let isStarted = false
		const app = testApp({ deps: { isStarted: () => isStarted } })
		for (const path of ['/startupz', '/readyz', '/health']) {
			const starting = await app.get(path)
			expect([path, starting.status]).toEqual([path, 503])
			expect(starting.headers.get('retry-after')).toBe('1')
			expect(await starting.json()).toMatchObject({ error: { code: 'model_loading' } })
		}
		expect((await app.get('/livez')).status).toBe(200)
		expect((await app.get('/v1/models')).status).toBe(200)
		isStarted = true
		for (const path of ['/startupz', '/readyz']) expect((await app.get(path)).status).toBe(200)
	})

	test('a server that goes down has started all the same', async () => {
		const app = testApp({ deps: { isDraining: () => true } })
		expect((await app.get('/startupz')).status).toBe(200)
	})

	test('while the server goes down every answer ends its connection', async () => {
		const app = testApp({ deps: { isDraining: () => true } })
		for (const path of ['/readyz', '/v1/models', '/no/such/path']) {
			expect((await app.get(path)).headers.get('connection')).toBe('close')
		}
		expect((await testApp().get('/v1/models')).headers.get('connection')).toBeNull()
	})

	test('/livez and /ping say nothing but 200', async () => {
		for (const path of ['/livez', '/ping']) {
			const response = await testApp({ deps: { isDraining: () => true } }).get(path)
			expect([response.status, await response.text()]).toEqual([200, ''])
		}
	})

	test('/version', async () => {
		expect(await (await testApp().get('/version')).json()).toEqual({ version: '1.2.3' })
	})
})

test('metrics count requests and generations, also under the names of vLLM', async () => {
	const app = testApp()
	await app.post('/v1/completions', { prompt: 'a', n: 2 })
	await app.get('/no/such/path')
	const response = await app.get('/metrics')
	const text = await response.text()
	expect(response.headers.get('content-type')).toStartWith('text/plain; version=0.0.4')
	for (const line of [
		'alpha_http_requests_total{method="POST",route="/v1/completions",status="200"} 1',
		'alpha_http_requests_total{method="GET",route="none",status="404"} 1',
		'alpha_choices_finished_total{model_name="first",finished_reason="stop"} 2',
		'vllm:time_to_first_token_seconds_count{model_name="first",engine="0"} 1',
		'vllm:request_prompt_tokens_sum{model_name="first",engine="0"} 1',
		'vllm:request_params_n_sum{model_name="first",engine="0"} 2',
		'vllm:num_requests_running{model_name="first",engine="0"} 0',
	]) {
		expect(text).toContain(`${line}\n`)
	}
	for (const line of text.trimEnd().split('\n')) {
		expect(line).toMatch(/^(# (HELP|TYPE) [a-z0-9_:]+ .+|[a-z0-9_:]+(\{.*\})? [-+.e\dInf]+)$/)
	}
})

describe('CORS', () => {
	test('a preflight gets what it asks for, on any path', async () => {
		const { app } = testApp()
		const asked = 'authorization, x-stainless-something-new'
		const response = await app.handle(
			new Request('http://localhost/no/such/path', {
				method: 'OPTIONS',
				headers: {
					origin: 'https://page.example',
					'access-control-request-method': 'POST',
					'access-control-request-headers': asked,
				},
			}),
		)
		expect(response.status).toBe(204)
		expect(response.headers.get('access-control-allow-origin')).toBe('*')
		expect(response.headers.get('access-control-allow-headers')).toBe(asked)
		expect(response.headers.get('access-control-allow-methods')).toBe('GET, POST, DELETE, OPTIONS')
		expect(Number(response.headers.get('access-control-max-age'))).toBeGreaterThan(599)
	})

	test('every answer allows any origin, never credentials, and shows its request id', async () => {
		const app = testApp()
		const answers = [
			await app.get('/v1/models'),
			await app.get('/nope'),
			await app.post('/api/upload', {}),
			await app.get('/api/inference'),
			await app.get('/swagger'),
		]
		for (const { headers } of answers) {
			expect(headers.get('access-control-allow-origin')).toBe('*')
			expect(headers.get('access-control-allow-credentials')).toBeNull()
			expect(headers.get('access-control-expose-headers')).toContain('x-request-id')
			expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
		}
	})
})

describe('request ids', () => {
	test('a sane one is kept', async () => {
		const response = await testApp().get('/v1/models', { 'x-request-id': 'abc-1' })
		expect(response.headers.get('x-request-id')).toBe('abc-1')
	})

	for (const id of ['x'.repeat(129), 'a b', 'é']) {
		test(`another is replaced: ${id.slice(0, 10)}`, async () => {
			const response = await testApp().get('/nope', { 'x-request-id': id })
			expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
		})
	}
})
