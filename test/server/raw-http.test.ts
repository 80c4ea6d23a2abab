/** Requests as bytes: what no well-behaved client sends, and what some do. */
import { describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { defaultLimits } from '../../src/server/deps.ts'
import { eventually } from '../helpers/eventually.ts'
import { noUploads, testApp } from '../helpers/test-app.ts'

/** Sends bytes and returns what came back when the server closed or `enough` of it is there. */
async function exchange(port: number, bytes: string, enough: RegExp): Promise<string> {
	const socket = connect(port, '127.0.0.1')
	let received = ''
	await new Promise<void>((resolve) => {
		socket.on('data', (data) => {
			received += data.toString()
			if (enough.test(received)) resolve()
		})
		socket.on('close', () => resolve())
		socket.on('error', () => resolve())
		socket.write(bytes)
	})
	socket.destroy()
	return received
}

const models = /"object":"list"/
const errorObject = /"error":\{.*\}\}$/s

const readable: [string, string][] = [
	['HTTP/1.0 without Host', 'GET /v1/models HTTP/1.0\r\n\r\n'],
	['a one-letter Host', 'GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n'],
	['an empty Host', 'GET /v1/models HTTP/1.1\r\nHost: \r\n\r\n'],
	['a Host that is no host', 'GET /v1/models HTTP/1.1\r\nHost: [\r\n\r\n'],
	['doubled slashes', 'GET //v1///models HTTP/1.1\r\nHost: test.example\r\n\r\n'],
	['a trailing slash', 'GET /v1/models/ HTTP/1.1\r\nHost: test.example\r\n\r\n'],
	['an unknown query', 'GET /v1/models?api-version=2 HTTP/1.1\r\nHost: test.example\r\n\r\n'],
	['an absolute target', 'GET http://x/v1/models HTTP/1.1\r\nHost: test.example\r\n\r\n'],
]

describe('requests that are answered all the same', () => {
	for (const [name, bytes] of readable) {
		test(name, async () => {
			using server = testApp().listen()
			const answer = await exchange(server.port, bytes, models)
			expect(answer).toStartWith('HTTP/1.1 200 OK\r\n')
			expect(answer).toMatch(models)
		})
	}

	test('a body with doubled slashes in its path', async () => {
		using server = testApp().listen()
		const body = '{"prompt":"a"}'
		const head = `POST //v1//completions HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}`
		const answer = await exchange(server.port, `${head}\r\n\r\n${body}`, /"text":"hello world"/)
		expect(answer).toStartWith('HTTP/1.1 200 OK\r\n')
	})

	test('a chunked body', async () => {
		using server = testApp().listen()
		const head = 'POST /v1/completions HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked'
		const body = '6\r\n{"prom\r\n8\r\npt":"a"}\r\n0\r\n\r\n'
		const answer = await exchange(server.port, `${head}\r\n\r\n${body}`, /"text":"hello world"/)
		expect(answer).toStartWith('HTTP/1.1 200 OK\r\n')
	})
})

describe('HEAD tells no length but that of what GET answers', () => {
	const ofPath = async (url: string, path: string) => {
		const head = await fetch(url + path, { method: 'HEAD' })
		return { status: head.status, length: head.headers.get('content-length') }
	}

	test('on every path without parameters that ends', async () => {
		using server = testApp().listen()
		const { paths } = await (await fetch(`${server.url}/swagger/json`)).json()
		const got = Object.keys(paths).filter((path) => paths[path].get)
		const all = got.flatMap((path) => [path, ...(paths[path].get['x-aliases'] ?? [])])
		const ends = all.filter((path) => !/\{|inference|generate|live|events/.test(path))
		expect(ends.length).toBeGreaterThan(10)
		for (const path of ['/', '/swagger', ...ends]) {
			const got = await fetch(server.url + path)
			const length = String((await got.arrayBuffer()).byteLength)
			// Figures may get more digits between the two.
			if (path.endsWith('/metrics')) continue
			expect([path, await ofPath(server.url, path)]).toEqual([path, { status: got.status, length }])
		}
	})

	test.each([
		'/api/inference?query=a',
		'/inference?query=a',
		'/api/generate?prompt=a',
		'/api/training/live',
		'/api/events',
	])('and none of %s', async (path) => {
		const app = testApp()
		using server = app.listen()
		expect(await ofPath(server.url, path)).toEqual({ status: 200, length: null })
		expect(app.catalog.runs).toEqual([])
	})
})

describe('a body that no route reads', () => {
	const never = /(?!)/

	test.each([
		['GET /v1/models', 200],
		['HEAD /v1/models', 200],
		['GET /ping', 200],
		['POST /ping', 200],
		['POST /api/models/first/load', 200],
		['POST /api/models/first/unload', 200],
		['GET /nowhere', 404],
	])('ends the connection of %s where it is declared long', async (line, status) => {
		using server = testApp({ deps: { uploads: { ...noUploads, secret: 's' } } }).listen()
		const head = `${line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer s\r\nContent-Length: 1000000000`
		// Comes back when the server has closed.
		const answer = await exchange(server.port, `${head}\r\n\r\n`, never)
		expect(answer).toStartWith(`HTTP/1.1 ${status} `)
		expect(answer.toLowerCase()).toContain('\r\nconnection: close\r\n')
	})

	test('is dropped where it is short, and the connection goes on', async () => {
		using server = testApp().listen()
		const head = 'GET /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc'
		const both = await exchange(server.port, head + head, /"object":"list".*"object":"list"/s)
		expect(both.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2)
	})
})

test.each([
	'GET /v1/models/%ff',
	'POST /api/models/%c3/unload',
	'GET /api/runs/a%ffb/metrics',
	'GET /%zz',
])('a path that no text has is refused, and stands for no model: %s', async (line) => {
	using server = testApp({ deps: { uploads: { ...noUploads, secret: 's' } } }).listen()
	const head = `${line} HTTP/1.1\r\nHost: a.example\r\nAuthorization: Bearer s\r\n\r\n`
	const answer = await exchange(server.port, head, errorObject)
	expect(answer).toStartWith('HTTP/1.1 400 ')
	expect(answer).toContain('"code":"malformed_request"')
})

test.each(['a', 'test.example'])(
	'a client of %s that leaves in mid-body is no fault of ours',
	async (host) => {
		const app = testApp()
		using server = app.listen()
		for (const path of ['/v1/completions', '/v1/chat/completions', '/tokenize']) {
			const socket = connect(server.port, '127.0.0.1')
			socket.on('error', () => {})
			const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 100\r\n\r\n{`
			await new Promise<void>((resolve) => socket.write(head, () => resolve()))
			socket.destroy()
			const line = `"route":"${path}"`
			await eventually(() =>
				app.logged.some((it) => it.includes(line) && it.includes('"status":499')),
			)
		}
		expect(app.logged.join()).not.toContain('request failed')
	},
)

test('two Host headers are refused', async () => {
	using server = testApp().listen()
	const bytes = 'GET /v1/models HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n'
	const answer = await exchange(server.port, bytes, errorObject)
	expect(answer).toStartWith('HTTP/1.1 400 ')
	expect(answer).toMatch(errorObject)
})

describe('a body over the limit is refused without reading it all', () => {
	const limits = { ...defaultLimits, bodyBytesMax: 100 }

	test('by its declared length', async () => {
		using server = testApp({ deps: { limits } }).listen()
		const head =
			'POST /v1/completions HTTP/1.1\r\nHost: test.example\r\nContent-Length: 101\r\n\r\n'
		const answer = await exchange(server.port, head, errorObject)
		expect(answer).toStartWith('HTTP/1.1 413 ')
		expect(answer).toContain('"code":"request_too_large"')
	})

	test('however long it says to be', async () => {
		using server = testApp().listen()
		const head = 'POST /v1/completions HTTP/1.1\r\nHost: test.example\r\nContent-Length: '
		const answer = await exchange(server.port, `${head}${10 ** 15}\r\n\r\n`, errorObject)
		expect(answer).toStartWith('HTTP/1.1 413 ')
		expect(answer).toMatch(/^x-request-id: /im)
		expect(answer).toContain('"code":"request_too_large"')
	})

	test.each([
		['', '/v1/completions', 'test.example'],
		[', with doubled slashes', '//v1//completions', 'test.example'],
		[', with a one-letter Host', '/v1/completions', 'a'],
	])('by what has come in chunks%s', async (_, path, host) => {
		using server = testApp({ deps: { limits } }).listen()
		const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked`
		const chunk = `40\r\n${'x'.repeat(64)}\r\n`
		const answer = await exchange(server.port, `${head}\r\n\r\n${chunk}${chunk}`, errorObject)
		expect(answer).toStartWith('HTTP/1.1 413 ')
	})
})

const smuggling: [string, string][] = [
	['a length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
	['two lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef'],
	['a negative length', 'Content-Length: -1\r\n\r\n'],
	['a signed length', 'Content-Length: +3\r\n\r\nabc'],
	['a length of twenty digits', 'Content-Length: 99999999999999999999\r\n\r\n'],
	['chunks without their end of line', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n'],
	['a blank before the colon', 'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n'],
	['a folded header', 'X-A: b\r\n c\r\n\r\n'],
	['a NUL in a header', 'X-A: b\0c\r\n\r\n'],
]

describe('ambiguous requests are refused and never read as two', () => {
	for (const [name, rest] of smuggling) {
		test(name, async () => {
			const app = testApp()
			using server = app.listen()
			const inner = 'GET /v1/models HTTP/1.1\r\nHost: test.example\r\n\r\n'
			const bytes = `POST /v1/completions HTTP/1.1\r\nHost: test.example\r\n${rest}${inner}`
			const answer = await exchange(server.port, bytes, /HTTP\/1\.1 (400|505|413)/)
			expect(answer).toMatch(/^HTTP\/1\.1 (400|505|413) /)
			expect(answer).not.toMatch(models)
		})
	}
})

test('a long answer that is still being computed outlives the idle timeout', async () => {
	const app = testApp({
		script: (run) => {
			setTimeout(() => {
				run.push({ type: 'prompt', promptTokens: 1, cachedTokens: 0 })
				run.say(0, 'late')
			}, 5000)
		},
	})
	using server = app.listen(1)
	const response = await fetch(`${server.url}/api/generate?prompt=a`)
	expect((await response.json()).text).toBe('late')
}, 15_000)
