/** What the compiled server puts on the wire, byte by byte. */
import { afterAll, describe, expect, test } from 'bun:test'
import { startAlpha } from '../helpers/alpha-server.ts'
import { engineStops } from './engine-load.ts'
import { openRawConnection } from './raw-connection.ts'

const server = await startAlpha()
afterAll(() => server.stop())

function post(path: string, body: unknown, headers = ''): string {
	const text = JSON.stringify(body)
	const length = Buffer.byteLength(text)
	return (
		`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
		`${headers}Content-Length: ${length}\r\n\r\n${text}`
	)
}

const messages = [{ role: 'user', content: 'What is your name?' }]
const chat = { messages, temperature: 0 }

describe('a streamed answer on the wire', () => {
	test('has the headers that keep proxies from buffering', async () => {
		using connection = await openRawConnection(server.port)
		connection.send(post('/v1/chat/completions', { ...chat, stream: true }))
		const { status, headers } = await connection.receive()
		expect(status).toBe(200)
		expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
		expect(headers.get('cache-control')).toBe('no-cache, no-transform')
		expect(headers.get('x-accel-buffering')).toBe('no')
		expect(headers.get('transfer-encoding')).toBe('chunked')
		expect(headers.has('content-length')).toBe(false)
		expect(headers.has('content-encoding')).toBe(false)
		expect(headers.get('access-control-allow-origin')).toBe('*')
		expect(headers.get('x-request-id')).toMatch(/\S/)
	})

	test('is made of data lines that end in a blank line, [DONE] once and last', async () => {
		using connection = await openRawConnection(server.port)
		connection.send(post('/v1/chat/completions', { ...chat, stream: true }))
		const { body } = await connection.receive()
		expect(body).toEndWith('}\n\ndata: [DONE]\n\n')
		expect(body).not.toContain('\r')
		const frames = body.split('\n\n').slice(0, -1)
		expect(frames.filter((frame) => frame === 'data: [DONE]')).toHaveLength(1)
		for (const frame of frames.slice(0, -1)) {
			expect(frame).toStartWith('data: {')
			expect(JSON.parse(frame.slice('data: '.length)).object).toBe('chat.completion.chunk')
		}
	})

	test('comes in pieces, not all at the end', async () => {
		using connection = await openRawConnection(server.port)
		const request = { ...chat, model: 'novels-austen', stream: true, ignore_eos: true }
		connection.send(post('/v1/chat/completions', request))
		const { chunks } = await connection.receive()
		expect(chunks).toBeGreaterThan(10)
	})

	test('leaves the connection ready for the next request', async () => {
		using connection = await openRawConnection(server.port)
		const bodies: string[] = []
		for (let i = 0; i < 3; i++) {
			connection.send(post('/v1/chat/completions', { ...chat, stream: true }))
			const { body } = await connection.receive()
			bodies.push(body)
			connection.send(post('/api/chat', chat))
			expect((await connection.receive()).body).toBe('My name is Alpha.')
		}
		for (const body of bodies) expect(body).toEndWith('data: [DONE]\n\n')
	})

	test('goes by `stream`, not by Accept', async () => {
		using connection = await openRawConnection(server.port)
		connection.send(post('/v1/chat/completions', chat, 'Accept: text/event-stream\r\n'))
		expect((await connection.receive()).headers.get('content-type')).toStartWith('application/json')
	})

	test('never breaks a character of several bytes', async () => {
		using connection = await openRawConnection(server.port)
		const prompt = 'Größe 😀 日本'
		const query = new URLSearchParams({ query: prompt, steps: '3' })
		connection.send(`GET /api/inference?${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
		const { body } = await connection.receive()
		expect(body).toStartWith(`data: ${JSON.stringify({ token: prompt })}\n\n`)
	})

	test('is stopped when the socket is closed without a word', async () => {
		const connection = await openRawConnection(server.port)
		const long = { ...chat, model: 'novels-austen', n: 16, ignore_eos: true, stream: true }
		connection.send(post('/v1/chat/completions', long))
		// A request on another connection is answered while the stream runs.
		const health = await fetch(`${server.url}/health`)
		expect(health.status).toBe(200)
		connection[Symbol.dispose]()
		await engineStops(server)
	})
})

describe('a plain text stream on the wire', () => {
	test('is the text and nothing else', async () => {
		using connection = await openRawConnection(server.port)
		connection.send(post('/api/chat', { messages, temperature: 0 }))
		const { status, headers, body } = await connection.receive()
		expect(status).toBe(200)
		expect(headers.get('content-type')).toBe('text/plain; charset=utf-8')
		expect(body).toBe('My name is Alpha.')
	})

	test('comes in pieces, not all at the end', async () => {
		using connection = await openRawConnection(server.port)
		connection.send(post('/api/chat', { messages, model: 'novels-austen', maxTokens: 500 }))
		const { headers, chunks } = await connection.receive()
		expect(headers.get('transfer-encoding')).toBe('chunked')
		// Tokens are told every 8 ms, and the answer may take no more than 60.
		expect(chunks).toBeGreaterThan(4)
	})

	test('reports errors in JSON with their status before the first byte', async () => {
		using connection = await openRawConnection(server.port)
		connection.send(post('/api/chat', { messages, model: 'nobody' }))
		const { status, headers, body } = await connection.receive()
		expect(status).toBe(404)
		expect(headers.get('content-type')).toStartWith('application/json')
		expect(JSON.parse(body).error).toMatchObject({ code: 'model_not_found', param: 'model' })
	})
})

describe('CORS', () => {
	const sdkHeaders = 'authorization,content-type,x-stainless-lang,x-stainless-helper-method'

	test.each(['/v1/chat/completions', '/api/generate', '/api/upload', '/no/such/path'])(
		'a preflight of %s is granted with the headers that it asks for',
		async (path) => {
			using connection = await openRawConnection(server.port)
			connection.send(
				`OPTIONS ${path} HTTP/1.1\r\nHost: localhost\r\nOrigin: https://page.example\r\n` +
					'Access-Control-Request-Method: POST\r\n' +
					`Access-Control-Request-Headers: ${sdkHeaders}\r\n\r\n`,
			)
			const { status, headers, body } = await connection.receive()
			expect(status).toBe(204)
			expect(body).toBe('')
			expect(headers.get('access-control-allow-origin')).toBe('*')
			expect(headers.get('access-control-allow-methods')).toBe('GET, POST, DELETE, OPTIONS')
			expect(headers.get('access-control-allow-headers')).toBe(sdkHeaders)
			expect(headers.has('access-control-allow-credentials')).toBe(false)
		},
	)

	test.each([
		['an answer', 'GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n', 200],
		['an unknown path', 'GET /no/such/path HTTP/1.1\r\nHost: localhost\r\n\r\n', 404],
		['a wrong method', 'GET /v1/completions HTTP/1.1\r\nHost: localhost\r\n\r\n', 405],
		['a refused upload', post('/api/upload', {}), 401],
		['a bad body', post('/v1/chat/completions', []), 400],
	])('%s can be read by any origin, with its request id', async (_name, request, status) => {
		using connection = await openRawConnection(server.port)
		connection.send(request)
		const response = await connection.receive()
		expect(response.status).toBe(status)
		expect(response.headers.get('access-control-allow-origin')).toBe('*')
		expect(response.headers.get('access-control-expose-headers')).toContain('x-request-id')
		expect(response.headers.get('x-request-id')).toMatch(/\S/)
	})
})

describe('x-request-id', () => {
	test.each([
		['its own when it is sane', 'trace-42', /^trace-42$/],
		['a fresh one when it is not', 'a'.repeat(1000), /^[0-9a-f-]{36}$/],
	])('gives the client %s', async (_name, id, expected) => {
		const response = await fetch(`${server.url}/v1/models`, { headers: { 'x-request-id': id } })
		expect(response.headers.get('x-request-id')).toMatch(expected)
	})
})

describe('a refused body', () => {
	const bodyBytes = 64 * 2 ** 20
	const head = (path: string) =>
		`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`

	test.each([
		['401 without the secret', `${head('/api/upload')}Content-Length: ${bodyBytes}`, 401],
		['413 of a declared length', `${head('/v1/completions')}Content-Length: ${bodyBytes}`, 413],
		['401 of unknown length', `${head('/api/upload')}Transfer-Encoding: chunked`, 401],
	])('ends the connection instead of being read: %s', async (_name, request, status) => {
		using connection = await openRawConnection(server.port)
		connection.send(`${request}\r\n\r\n`)
		const response = await connection.receive()
		expect(response.status).toBe(status)
		expect(response.headers.get('connection')?.toLowerCase()).toBe('close')
		await connection.closed
	})

	test('that is small leaves the connection to the next request', async () => {
		using connection = await openRawConnection(server.port)
		connection.send(post('/api/upload', {}))
		expect((await connection.receive()).status).toBe(401)
		connection.send('GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n')
		expect((await connection.receive()).status).toBe(200)
	})
})

describe('a connection on which nothing is asked any more', () => {
	const get = 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'
	const requests: readonly (readonly [string, string])[] = [
		['a short answer', get],
		['a whole text', post('/v1/chat/completions', { ...chat, max_tokens: 5 })],
		['a stream', post('/v1/chat/completions', { ...chat, max_tokens: 5, stream: true })],
		['a long list', post('/tokenize', { prompt: 'a word '.repeat(20_000) })],
	]

	test.each(requests)('is closed after --idle-timeout behind %s', async (_, request) => {
		await using server = await startAlpha({ args: ['--idle-timeout=1'] })
		using connection = await openRawConnection(server.port)
		connection.send(request)
		expect((await connection.receive()).status).toBe(200)
		await connection.closed
		expect((await fetch(`${server.url}/health`)).status).toBe(200)
	})

	test('serves the next request while it is open', async () => {
		await using server = await startAlpha({ args: ['--idle-timeout=255'] })
		using connection = await openRawConnection(server.port)
		for (const [, request] of requests) {
			connection.send(request)
			expect((await connection.receive()).status).toBe(200)
		}
	})
})
