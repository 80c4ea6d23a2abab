/** Streams over real sockets: what `app.handle` cannot show. */
import { expect, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { Fault } from '../../src/lib/fault.ts'
import { defaultLimits } from '../../src/server/deps.ts'
import { eventually } from '../helpers/eventually.ts'
import { type FakeRun, fakeTokenizer, readPrompt, saying } from '../helpers/fake-catalog.ts'
import { parseSse } from '../helpers/read-sse.ts'
import { testApp } from '../helpers/test-app.ts'

const chat = { messages: [{ role: 'user', content: 'once' }], stream: true }
const token = (text: string) => fakeTokenizer.encode(text)[0]!

function post(url: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
	const init = { method: 'POST', body: JSON.stringify(body) }
	return fetch(url + path, signal ? { ...init, signal } : init)
}

async function openSocket(port: number): Promise<Socket> {
	const socket = connect(port, '127.0.0.1')
	await new Promise((resolve) => socket.once('connect', resolve))
	return socket
}

function rawPost(path: string, body: unknown): string {
	const json = JSON.stringify(body)
	return `POST ${path} HTTP/1.1\r\nHost: test.example\r\nContent-Length: ${json.length}\r\n\r\n${json}`
}

test('the role chunk arrives before the prompt has been read', async () => {
	const runs: FakeRun[] = []
	const app = testApp({ script: (run) => void runs.push(run) })
	using server = app.listen()
	const response = await post(server.url, '/v1/chat/completions', chat)
	const reader = response.body!.getReader()
	const first = new TextDecoder().decode((await reader.read()).value)
	expect(JSON.parse(parseSse(first)[0]!.data).choices[0].delta).toEqual({
		role: 'assistant',
		content: '',
	})
	expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
	expect(response.headers.get('cache-control')).toBe('no-cache, no-transform')
	expect(response.headers.get('x-accel-buffering')).toBe('no')
	expect(response.headers.get('content-length')).toBeNull()
	saying('hi')(runs[0]!)
	let rest = ''
	for (let r = await reader.read(); !r.done; r = await reader.read()) {
		rest += new TextDecoder().decode(r.value)
	}
	expect(rest.endsWith('data: [DONE]\n\n')).toBe(true)
	expect(app.catalog.leaseCount()).toBe(0)
})

test('each token is sent as it comes', async () => {
	const runs: FakeRun[] = []
	const app = testApp({
		script: (run) => {
			readPrompt(run)
			runs.push(run)
		},
	})
	using server = app.listen()
	const response = await fetch(`${server.url}/api/inference?query=a`)
	const reader = response.body!.getReader()
	const read = async () => new TextDecoder().decode((await reader.read()).value)
	expect(await read()).toBe('data: {"token":"a"}\n\n')
	for (const letter of 'xyz') {
		runs[0]!.push({ type: 'token', choice: 0, tokenId: token(letter) })
		expect(await read()).toBe(`data: {"token":"${letter}"}\n\n`)
	}
	runs[0]!.push({ type: 'finish', choice: 0, finishReason: 'stop' })
	expect(await read()).toBe('data: [DONE]\n\n')
})

for (const [path, body] of [
	['/v1/chat/completions', chat],
	['/v1/chat/completions', { ...chat, stream: false }],
	['/v1/completions', { prompt: ['a', 'b'], stream: true }],
	['/v1/completions', { prompt: ['a', 'b'] }],
	['/v1/responses', { input: 'a', stream: true }],
	['/api/generate', { prompt: 'a' }],
	['/api/chat', chat],
] as const) {
	for (const phase of ['waiting', 'decoding'] as const) {
		test(`a client that leaves while ${phase} frees ${path} ${JSON.stringify(body)}`, async () => {
			const app = testApp({
				script: (run) => {
					if (phase === 'waiting') return
					readPrompt(run)
					run.push({ type: 'token', choice: 0, tokenId: token('x') })
				},
			})
			using server = app.listen()
			const client = new AbortController()
			const answer = post(server.url, path, body, client.signal).then((r) => r.text())
			await eventually(() => app.catalog.runs.length > 0)
			client.abort()
			await expect(answer).rejects.toThrow()
			await Promise.all(app.catalog.runs.map((run) => run.ended))
			await eventually(() => app.catalog.leaseCount() === 0)
			expect(app.catalog.runs.every((run) => run.isAborted)).toBe(true)
		})
	}
}

test('a client that leaves while the model loads frees it', async () => {
	const app = testApp({ script: () => {} })
	const asked = Promise.withResolvers<void>()
	const loading = Promise.withResolvers<void>()
	const held = Promise.withResolvers<number>()
	const acquire = app.catalog.acquire
	app.catalog.acquire = async (name, signal) => {
		asked.resolve()
		await loading.promise
		const lease = await acquire(name, signal)
		held.resolve(app.catalog.leaseCount())
		return lease
	}
	using server = app.listen()
	const client = new AbortController()
	const answer = post(server.url, '/v1/chat/completions', chat, client.signal)
	await asked.promise
	client.abort()
	await expect(answer).rejects.toThrow()
	loading.resolve()
	expect(await held.promise).toBe(1)
	await eventually(() => app.catalog.leaseCount() === 0)
	expect(app.catalog.runs.every((run) => run.isAborted)).toBe(true)
})

test('a silent stream gets comments, which readers skip', async () => {
	const runs: FakeRun[] = []
	const app = testApp({
		script: (run) => void runs.push(run),
		deps: { limits: { ...defaultLimits, pingMs: 20 } },
	})
	using server = app.listen()
	const response = await post(server.url, '/v1/chat/completions', chat)
	const reader = response.body!.getReader()
	let text = ''
	const readUntil = async (part: string) => {
		while (!text.includes(part)) text += new TextDecoder().decode((await reader.read()).value)
	}
	await readUntil(': ping\n\n')
	saying('hi')(runs[0]!)
	await readUntil('[DONE]')
	expect(parseSse(text).map(({ data }) => data)).not.toContain(': ping')
})

test('an error in mid-stream is an error event and no finish chunk', async () => {
	const app = testApp({
		script: (run) => {
			readPrompt(run)
			run.push({ type: 'token', choice: 0, tokenId: token('x') })
			run.fail(new Fault('shutting-down', 'The server is shutting down.'))
		},
	})
	using server = app.listen()
	const response = await post(server.url, '/v1/chat/completions', chat)
	const events = parseSse(await response.text())
	expect(JSON.parse(events.at(-1)!.data).error.code).toBe('shutting_down')
	expect(events.some(({ data }) => /"finish_reason":"/.test(data))).toBe(false)
	expect(app.catalog.leaseCount()).toBe(0)
})

test('generations that fail while the reader pauses end the stream with one error', async () => {
	const app = testApp({ script: () => {} })
	const response = await app.post('/v1/completions', { prompt: ['a', 'b'], stream: true })
	const reader = response.body!.getReader()
	const first = reader.read()
	await eventually(() => app.catalog.runs.length === 2)
	readPrompt(app.catalog.runs[0]!)
	app.catalog.runs[0]!.push({ type: 'token', choice: 0, tokenId: token('x') })
	expect(new TextDecoder().decode((await first).value)).toContain('"text":"x"')
	for (const run of app.catalog.runs) run.fail(new Fault('shutting-down', 'Going down.'))
	// Lets a failure that nobody awaits be reported, which fails the test.
	await new Promise((resolve) => setImmediate(resolve))
	expect(new TextDecoder().decode((await reader.read()).value)).toContain('"shutting_down"')
	expect((await reader.read()).done).toBe(true)
	expect(app.catalog.leaseCount()).toBe(0)
})

test('what goes wrong inside is not told in mid-stream', async () => {
	const app = testApp({ script: (run) => run.fail(new Error('secret at /home/x')) })
	using server = app.listen()
	const text = await (await post(server.url, '/v1/chat/completions', chat)).text()
	expect(text).toContain('"code":"internal_error"')
	expect(text).not.toContain('secret')
	expect(app.logged.join()).toContain('secret')
})

test('a text stream that fails is cut, so that it cannot pass for a whole one', async () => {
	const app = testApp({
		script: (run) => {
			readPrompt(run)
			run.push({ type: 'token', choice: 0, tokenId: token('x') })
			setTimeout(() => run.fail(new Error('gone')), 20)
		},
	})
	using server = app.listen()
	const response = await post(server.url, '/api/chat', chat)
	await expect(response.text()).rejects.toThrow()
	expect(app.catalog.leaseCount()).toBe(0)
})

test('a text stream waits for the model without limit, and for its reader with one', async () => {
	const app = testApp({ script: () => {} })
	const body = JSON.stringify(chat)
	const request = new Request('http://localhost/api/chat', { method: 'POST', body })
	const idleSeconds: number[] = []
	app.connections.bind(request, {
		setIdleTimeout: (seconds) => void idleSeconds.push(seconds),
		address: () => null,
	})
	const reader = (await app.app.handle(request)).body!.getReader()
	const first = reader.read()
	await eventually(() => idleSeconds.length > 0)
	expect(idleSeconds).toEqual([0])
	readPrompt(app.catalog.runs[0]!)
	app.catalog.runs[0]!.push({ type: 'token', choice: 0, tokenId: token('x') })
	await first
	expect(idleSeconds).toEqual([0, defaultLimits.stallSeconds])
	app.catalog.runs[0]!.push({ type: 'finish', choice: 0, finishReason: 'stop' })
	expect((await reader.read()).done).toBe(true)
	expect(idleSeconds).toEqual([0, defaultLimits.stallSeconds, 0, 60])
})

test('a connection serves the next request after a stream', async () => {
	const app = testApp()
	using server = app.listen()
	const socket = await openSocket(server.port)
	let received = ''
	socket.on('data', (bytes) => (received += bytes.toString()))
	socket.write(rawPost('/v1/chat/completions', chat))
	await eventually(() => received.endsWith('0\r\n\r\n'))
	socket.write('GET /v1/models HTTP/1.1\r\nHost: test.example\r\n\r\n')
	await eventually(() => received.includes('"object":"list"'))
	socket.destroy()
})

test('a reader that never reads costs bounded memory and is cut', async () => {
	const app = testApp({
		script: (run) => {
			readPrompt(run)
			const timer = setInterval(() => {
				for (let i = 0; i < 2000; i++) {
					run.push({ type: 'token', choice: 0, tokenId: token('x') })
				}
			}, 1)
			void run.ended.then(() => clearInterval(timer))
		},
		deps: { limits: { ...defaultLimits, stallSeconds: 1 } },
	})
	using server = app.listen()
	const socket = await openSocket(server.port)
	socket.on('error', () => {})
	socket.pause()
	socket.write(rawPost('/v1/chat/completions', chat))
	await eventually(() => app.catalog.runs.length > 0)
	await app.catalog.runs[0]!.ended
	expect(app.catalog.runs[0]!.isAborted).toBe(true)
	await eventually(() => app.catalog.leaseCount() === 0)
	socket.destroy()
}, 20_000)
