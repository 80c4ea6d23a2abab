/** Clients as they are in the world: eager, silent, gone. Over bare sockets, so that each has an address. */
import { connect, type Socket } from 'node:net'
import type { AlphaServer } from '../../helpers/alpha-server.ts'
import { HttpAnswer } from '../../helpers/http-answer.ts'

/** Who is asked: a server, or what stands in front of it. */
interface Listening {
	readonly port: number
}

export interface Asked {
	readonly status: number
	/**
	 * Until the first byte of the body and until its end, in milliseconds. Not of the head, which a stream sends
	 * before its first token.
	 */
	readonly firstMs: number
	readonly endMs: number
	/** Bytes as characters. */
	readonly body: string
	readonly retryAfter: string | null
}

export interface Ask {
	readonly method?: 'GET' | 'POST'
	readonly path?: string
	readonly body?: object
	/** A loopback address to come from. */
	readonly from?: string
	readonly timeoutMs?: number
}

const completions = { prompt: 'a', ignore_eos: true, seed: 1 }

/** A completion of so many tokens that does not end before. */
export function completion(tokens: number, changes: object = {}): Ask {
	return { path: '/v1/completions', body: { ...completions, max_tokens: tokens, ...changes } }
}

/** Sends a request and reads its answer to the end; rejects when the connection ends before. */
export function ask(server: Listening, request: Ask): Promise<Asked> {
	const { timeoutMs = 60_000 } = request
	return new Promise((resolve, reject) => {
		const startedAt = performance.now()
		const socket = open(server, request)
		const answer = new HttpAnswer()
		let firstMs = 0
		const fail = (why: string) => {
			clearTimeout(timer)
			socket.destroy()
			const far = `${answer.status} and ${answer.body.length} bytes of body`
			reject(new Error(`${request.path}: ${why} after ${far}`))
		}
		const timer = setTimeout(fail, timeoutMs, `no end within ${timeoutMs} ms`)
		socket.on('error', (error) => fail(error.message))
		socket.on('close', () => fail('closed'))
		socket.on('data', (bytes) => {
			answer.take(bytes as Buffer)
			if (firstMs === 0 && answer.hasBody) firstMs = performance.now() - startedAt
			if (!answer.isWhole) return
			clearTimeout(timer)
			resolve({
				status: answer.status,
				firstMs,
				endMs: performance.now() - startedAt,
				body: answer.body,
				retryAfter: answer.header('retry-after'),
			})
			socket.destroy()
		})
	})
}

/** Sends a request whose answer nobody reads. */
export function neglect(server: Listening, request: Ask): Socket {
	const socket = open(server, request)
	socket.pause()
	return socket
}

function open(server: Listening, request: Ask): Socket {
	const { from } = request
	const socket = connect({
		port: server.port,
		host: '127.0.0.1',
		...(from === undefined ? {} : { localAddress: from }),
	})
	socket.on('error', () => {})
	socket.write(requestText(request))
	return socket
}

/** The bytes of a request. */
export function requestText({ method, path = '/health', body }: Ask): string {
	const text = body === undefined ? '' : JSON.stringify(body)
	const verb = method ?? (body === undefined ? 'GET' : 'POST')
	return (
		`${verb} ${path} HTTP/1.1\r\nHost: test.example\r\nContent-Type: application/json\r\n` +
		`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
	)
}

/** A number of the metrics page. */
export async function metric(server: AlphaServer, name: string): Promise<number> {
	const text = await (await fetch(`${server.url}/metrics`)).text()
	return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
}
