/** The seed's own endpoints under /api, by fetch against the compiled server. */
import { afterAll, describe, expect, test } from 'bun:test'
import { startAlpha } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'

const server = await startAlpha({ runs: ['v2-bpe-chat', 'v1-bpe', 'v2-relu-char'] })
afterAll(() => server.stop())

interface Generated {
	readonly text: string
	readonly model: string
	readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number }
}

function post(path: string, body: unknown): Promise<Response> {
	return fetch(`${server.url}${path}`, {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify(body),
	})
}

async function generated(response: Promise<Response>): Promise<Generated> {
	const answer = await response
	expect(answer.status).toBe(200)
	return (await answer.json()) as Generated
}

function get(path: string, query: Record<string, string> = {}): Promise<Response> {
	return fetch(`${server.url}${path}?${new URLSearchParams(query)}`)
}

describe('GET /api/models', () => {
	test('is an array of runs with their training metadata, in the order of /v1/models', async () => {
		const list = async () => (await (await get('/api/models')).json()) as Record<string, unknown>[]
		// What a checkpoint is shows when it has been looked into, in the background.
		await eventually(async () => (await list())[0]?.['format'] !== null)
		const runs = await list()
		const { data } = (await (await get('/v1/models')).json()) as { data: { id: string }[] }
		expect(runs.map(({ id }) => id)).toEqual(data.map(({ id }) => id))
		expect(runs[0]).toMatchObject({
			id: 'v2-bpe-chat',
			name: 'v2-bpe-chat',
			step: 400,
			mtime: Date.UTC(2026, 0, 1, 0, 0, 3),
			lastLoss: expect.any(Number),
			domain: 'super_chat',
			modelConfig: { vocabSize: 300, blockSize: 64 },
			trainConfig: { iters: 400, batchSize: 4 },
			format: expect.stringMatching(/^(json|binary)$/),
			family: 'alpha',
		})
	})
})

describe('/api/generate', () => {
	const tune = 'X:1\nM:4/4\nK:G\n|:G'
	const greedy = { model: 'v2-relu-char', prompt: tune, max_tokens: 22, temperature: 0 }

	test('POST completes a text as the trainer itself would', async () => {
		expect(await generated(post('/api/generate', greedy))).toMatchObject({
			text: '\n|:ABcd|defg|defg|cdef',
			model: 'v2-relu-char',
			usage: { prompt_tokens: 17, completion_tokens: 22 },
		})
	})

	test('GET takes the same parameters from the query', async () => {
		const query = { ...greedy, max_tokens: '22', temperature: '0' }
		const answer = get('/api/generate', query)
		expect((await generated(answer)).text).toBe('\n|:ABcd|defg|defg|cdef')
		expect((await answer).headers.get('cache-control')).toBe('no-store')
	})

	test('POST with a query and no body works', async () => {
		const query = new URLSearchParams({ ...greedy, max_tokens: '22', temperature: '0' })
		const answer = fetch(`${server.url}/api/generate?${query}`, { method: 'POST' })
		expect((await generated(answer)).text).toBe('\n|:ABcd|defg|defg|cdef')
	})

	test.each([
		['prompt', { prompt: '|' }, { text: expect.stringMatching(/^:cde/) }],
		['max_tokens', { max_tokens: '4' }, { usage: { completion_tokens: 4 } }],
		['model', { model: 'v1-bpe' }, { model: 'v1-bpe' }],
	])(
		'the query wins over the body in %s, the body keeps the rest',
		async (_name, query, expected) => {
			const path = `/api/generate?${new URLSearchParams(query as Record<string, string>)}`
			const answer = await generated(post(path, greedy))
			expect(answer).toMatchObject({ model: 'v2-relu-char', ...expected })
		},
	)

	test('the query wins over the body in temperature', async () => {
		const hot = { ...greedy, temperature: 2, seed: 1 }
		const answer = await generated(post('/api/generate?temperature=0', hot))
		expect(answer.text).toBe('\n|:ABcd|defg|defg|cdef')
		expect((await generated(post('/api/generate', hot))).text).not.toBe(answer.text)
	})

	test('makes 2048 tokens by default and at most', async () => {
		const asked = { model: 'v2-relu-char', prompt: tune }
		const byDefault = await generated(post('/api/generate', asked))
		expect(byDefault.usage.completion_tokens).toBe(2048)
		const capped = await generated(post('/api/generate', { ...asked, max_tokens: 1_000_000 }))
		expect(capped.usage.completion_tokens).toBe(2048)
	})

	test('takes the first model when none is named', async () => {
		expect((await generated(post('/api/generate', { prompt: 'Hi', max_tokens: 1 }))).model).toBe(
			'v2-bpe-chat',
		)
	})

	test.each([
		['no prompt', {}, 'prompt'],
		['an empty max_tokens', { prompt: 'a', max_tokens: '' }, 'max_tokens'],
		['a max_tokens that is no number', { prompt: 'a', max_tokens: 'abc' }, 'max_tokens'],
		['a fraction of tokens', { prompt: 'a', max_tokens: '1.5' }, 'max_tokens'],
		['a negative temperature', { prompt: 'a', temperature: '-1' }, 'temperature'],
	])('GET refuses %s and names the field', async (_name, query, param) => {
		const answer = await get('/api/generate', query as Record<string, string>)
		expect(answer.status).toBe(400)
		expect(await answer.json()).toMatchObject({ error: { param, type: 'invalid_request_error' } })
	})

	test.each([
		['a prompt that is no text', { prompt: 5 }, 400, 'prompt'],
		['max_tokens as a text', { prompt: 'a', max_tokens: '5' }, 400, 'max_tokens'],
		['an unknown model', { prompt: 'a', model: '__proto__' }, 404, 'model'],
	])('POST refuses %s and names the field', async (_name, body, status, param) => {
		const answer = await post('/api/generate', body)
		expect(answer.status).toBe(status)
		expect(await answer.json()).toMatchObject({ error: { param } })
	})
})

describe('GET /api/inference', () => {
	test('reads UTF-8, percent codes and plus signs in the query', async () => {
		const answer = await fetch(`${server.url}/api/inference?query=a%20b+c%C3%A9&steps=1`)
		expect(await answer.text()).toStartWith('data: {"token":"a b cé"}\n\n')
	})
})

describe('POST /api/chat', () => {
	const question = 'What is your name?'

	const text = (value: string) => ({ type: 'text', text: value })
	const answer = 'My name is Alpha.'

	// Second turns of `useChat`, as the packages were seen to send them.
	test.each([
		['a plain client', [{ role: 'user', content: question }]],
		[
			'AI SDK 3',
			[
				{ role: 'user', content: question },
				{ role: 'assistant', content: answer },
				{ role: 'user', content: question },
			],
		],
		[
			'AI SDK 4',
			[
				{ role: 'user', content: question, parts: [text(question)] },
				{ role: 'assistant', content: answer, parts: [text(answer)] },
				{ role: 'user', content: question, parts: [text(question)] },
			],
		],
		[
			'AI SDK 5, 6 and 7',
			[
				{ parts: [text(question)], id: '5b7yBW9YfvVSXls6', role: 'user' },
				{
					id: 'd3zb4DRl1YPa7qwa',
					role: 'assistant',
					parts: [{ type: 'step-start' }, { ...text(answer), state: 'done' }],
				},
				{ parts: [text('What is '), text('your name?')], id: 'TLNKlpI70D4JqxT5', role: 'user' },
			],
		],
	])('reads the messages of %s', async (_name, messages) => {
		const body = { id: 'Zwu9Yj0kRSwBfwVj', trigger: 'submit-message', messages, temperature: 0 }
		const response = await post('/api/chat', body)
		expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
		expect(await response.text()).toBe(answer)
	})

	test('makes 200 tokens by default and 500 at most', async () => {
		// One token per character in this model, and no end token.
		const body = { model: 'v2-relu-char', messages: [{ role: 'user', content: 'X:1' }] }
		expect(await (await post('/api/chat', body)).text()).toHaveLength(200)
		const capped = { ...body, maxTokens: 100_000 }
		expect(await (await post('/api/chat', capped)).text()).toHaveLength(500)
	})

	test('says that there is no stream to resume', async () => {
		const answer = await get('/api/chat/some-chat/stream')
		expect(answer.status).toBe(204)
	})

	test.each([
		['no messages', {}, 'messages'],
		['empty messages', { messages: [] }, 'messages'],
		['a fraction of topk', { messages: [{ role: 'user', content: 'a' }], topk: 1.5 }, 'topk'],
	])('refuses %s', async (_name, body, param) => {
		const answer = await post('/api/chat', body)
		expect(answer.status).toBe(400)
		expect(await answer.json()).toMatchObject({ error: { param } })
	})
})
