/** What has brought down or opened other model servers, tried on this one. */
import { describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { testApp } from '../helpers/test-app.ts'

const app = testApp()

/** Sends bytes in pieces and gives what came back up to the end of the first answer's headers. */
async function statusOf(port: number, pieces: Iterable<string>): Promise<string> {
	const socket = connect(port, '127.0.0.1')
	const answered = new Promise<string>((resolve, reject) => {
		socket.once('data', (data) => resolve(data.toString().split('\r\n')[0] ?? ''))
		socket.once('error', reject)
		socket.once('close', () => resolve('closed without an answer'))
	})
	for (const piece of pieces) socket.write(piece)
	const line = await answered
	socket.destroy()
	return line
}

describe('counts without bounds', () => {
	const messages = [{ role: 'user', content: 'a' }]
	const many = 1_000_000
	const texts = Array<string>(100_000).fill('x')
	test.each([
		['choices of a chat', '/v1/chat/completions', { messages, n: many }],
		['choices of a completion', '/v1/completions', { prompt: 'a', n: many }],
		['attempts', '/v1/completions', { prompt: 'a', best_of: many }],
		['alternatives', '/v1/completions', { prompt: 'a', logprobs: many }],
		[
			'alternatives of a chat',
			'/v1/chat/completions',
			{ messages, logprobs: true, top_logprobs: many },
		],
		['stop texts', '/v1/completions', { prompt: 'a', stop: texts }],
		['prompts', '/v1/completions', { prompt: texts }],
		['texts to embed', '/v1/embeddings', { input: texts }],
	])('of %s are refused', async (_name, path, body) => {
		expect((await app.post(path, body)).status).toBe(400)
	})

	test.each([-1, -(2 ** 31), 2 ** 31, 2 ** 63, 1e300])(
		'an id of a token that is %d is refused',
		async (id) => {
			for (const path of ['/v1/completions', '/detokenize']) {
				const field = path === '/detokenize' ? 'tokens' : 'prompt'
				expect((await app.post(path, { [field]: [id] })).status).toBe(400)
			}
		},
	)
})

test.each([
	[200, 1_000_000],
	[413, 10_000_000],
])('a prompt of line ends without number is bounded: status %d for %d', async (status, count) => {
	const response = await app.post('/v1/completions', { prompt: '\n'.repeat(count), max_tokens: 1 })
	expect(response.status).toBe(status)
})

test('a header of 20 kB is refused', async () => {
	using server = testApp().listen()
	const request = `GET /v1/models HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`
	expect(await statusOf(server.port, [request])).toStartWith('HTTP/1.1 431')
})

test('a body in 20,000 chunks of one byte is read like any other', async () => {
	using server = testApp().listen()
	const body = `{"prompt":"a"${' '.repeat(20_000)}}`
	const head = 'POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
	const chunks = [...body].map((byte) => `1\r\n${byte}\r\n`)
	expect(await statusOf(server.port, [head, ...chunks, '0\r\n\r\n'])).toStartWith('HTTP/1.1 200')
})

test('a name that climbs out of the directory finds nothing and is told as it came', async () => {
	for (const name of ['../../etc/passwd', '..%2f..%2fetc%2fpasswd', '/etc/passwd', 'a/../../b']) {
		const response = await app.post('/v1/completions', { model: name, prompt: 'a' })
		expect(response.status).toBe(404)
		expect(await response.text()).not.toContain('root:')
	}
})
