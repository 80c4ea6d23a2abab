/** Who would find no place is refused at the door: nothing of the request is read, and nobody else is. */
import { describe, expect, test } from 'bun:test'
import { testApp } from '../helpers/test-app.ts'

const refusal = { message: 'The server is overloaded: 3 requests are waiting.', retrySeconds: 1.2 }
const full = () => testApp({ deps: { refusalFor: () => refusal } })

/** A body that tells whether anybody has asked for it. */
function watchedBody() {
	const seen = { isRead: false }
	const body = new ReadableStream(
		{
			pull(controller) {
				seen.isRead = true
				controller.enqueue(new TextEncoder().encode('{}'))
				controller.close()
			},
		},
		{ highWaterMark: 0 },
	)
	return { seen, body }
}

const posts = [
	'/v1/chat/completions',
	'/chat/completions',
	'/v1/completions',
	'/v1/completions/',
	'/v1/responses',
	'/v1/embeddings',
	'/api/generate',
	'/api/chat',
]

describe('while there are no places', () => {
	test.each(posts)('POST %s is refused, and its body is not read', async (path) => {
		const { app } = full()
		const { seen, body } = watchedBody()
		const answer = await app.handle(
			new Request(`http://localhost${path}`, { method: 'POST', body }),
		)
		expect(answer.status).toBe(503)
		expect(await answer.json()).toEqual({
			error: { message: refusal.message, type: 'server_error', param: null, code: 'overloaded' },
		})
		expect(seen.isRead).toBe(false)
	})

	test.each(['/api/generate', '/inference', '/api/inference'])(
		'GET %s is refused',
		async (path) => {
			expect((await full().get(`${path}?prompt=a`)).status).toBe(503)
			expect((await testApp().get(`${path}?prompt=a`)).status).toBe(200)
		},
	)

	test('a query is not looked at, either', async () => {
		expect((await full().get('/api/generate?temperature=hot')).status).toBe(503)
		expect((await testApp().get('/api/generate?temperature=hot')).status).toBe(400)
	})

	test('the refusal has the headers of every answer, and says when to come back', async () => {
		const answer = await full().post('/v1/completions', {}, { 'x-request-id': 'mine' })
		expect(answer.headers.get('x-request-id')).toBe('mine')
		expect(answer.headers.get('access-control-allow-origin')).toBe('*')
		expect(answer.headers.get('access-control-expose-headers')).toContain('retry-after')
		expect(answer.headers.get('content-type')).toStartWith('application/json')
		expect(answer.headers.get('retry-after')).toBe('2')
		expect(answer.headers.get('connection')).toBeNull()
	})

	test('it is counted and logged under its route, as other answers are', async () => {
		const app = full()
		await app.post('/v1/completions', {})
		const page = await (await app.get('/metrics')).text()
		const labels = 'method="POST",route="/v1/completions",status="503"'
		expect(page).toContain(`alpha_http_requests_total{${labels}} 1`)
		expect(JSON.parse(app.logged[0] ?? '')).toMatchObject({ route: '/v1/completions', status: 503 })
	})

	test('what computes nothing is answered', async () => {
		const app = full()
		for (const path of ['/health', '/v1/models', '/metrics', '/api/models']) {
			expect((await app.get(path)).status).toBe(200)
		}
		expect((await app.post('/v1/tokenize', { prompt: 'a' })).status).toBe(200)
		expect((await app.get('/nowhere')).status).toBe(404)
		expect((await app.get('/v1/completions')).status).toBe(405)
		const head = new Request('http://localhost/api/generate', { method: 'HEAD' })
		expect((await app.app.handle(head)).status).toBe(200)
		const preflight = new Request('http://localhost/v1/completions', { method: 'OPTIONS' })
		expect((await app.app.handle(preflight)).status).toBe(204)
	})

	test('who has no key is told that first', async () => {
		const apiKeys = [{ name: 'one', value: 'one' }]
		const app = testApp({ deps: { apiKeys, refusalFor: () => refusal } })
		expect((await app.post('/v1/completions', {})).status).toBe(401)
		const headers = { authorization: 'Bearer one' }
		expect((await app.post('/v1/completions', {}, headers)).status).toBe(503)
	})

	test('it is asked for the client: a key where there are some', async () => {
		const asked: string[] = []
		const apiKeys = ['one', 'two'].map((value) => ({ name: value, value }))
		const refusalFor = (client: string) => {
			asked.push(client)
			return client === 'one' ? refusal : null
		}
		const app = testApp({ deps: { apiKeys, refusalFor } })
		const ask = (key: string) =>
			app.post('/v1/completions', { prompt: 'a' }, { authorization: `Bearer ${key}` })
		expect([(await ask('one')).status, (await ask('two')).status]).toEqual([503, 200])
		expect(asked).toEqual(['one', 'two'])
	})

	test('a long body is not waited for: the connection is closed behind the answer', async () => {
		using server = full().listen()
		const body = 'x'.repeat(2 ** 20)
		const answer = await fetch(`${server.url}/v1/completions`, { method: 'POST', body })
		expect(answer.status).toBe(503)
		expect(answer.headers.get('connection')).toBe('close')
	})

	test('a short one is dropped, and the connection is used again', async () => {
		using server = full().listen()
		const ask = () => fetch(`${server.url}/v1/completions`, { method: 'POST', body: '{}' })
		const answers = [await ask(), await ask()]
		for (const answer of answers) expect(answer.headers.get('connection')).not.toBe('close')
		expect(answers.map(({ status }) => status)).toEqual([503, 503])
	})
})

test('which routes take places is not in the document', async () => {
	expect(await (await testApp().get('/swagger/json')).text()).not.toContain('x-takes-place')
})
