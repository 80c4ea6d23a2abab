/** What commands say of a server that is none of ours, or that goes away. */
import { expect, test } from 'bun:test'
import { createServer } from 'node:net'
import { ServerClient } from '../../../src/commands/client/server-client.ts'

/** Asks a server that answers everything with these bytes and closes. */
async function refusalOf(bytes: string, ask: (client: ServerClient) => Promise<unknown>) {
	const server = createServer((socket) => {
		socket.on('error', () => {})
		socket.once('data', () => socket.end(bytes))
	})
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address() as { port: number }
	const url = `http://127.0.0.1:${port}`
	try {
		await ask(new ServerClient(url, null, new AbortController().signal))
		return null
	} catch (error) {
		const { message, status } = error as { message: string; status?: number }
		return [status, message.replace(url, 'URL')]
	} finally {
		server.close()
	}
}

const ok = (body: string, length = Buffer.byteLength(body)) =>
	`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${body}`

test.each<[string, string, string]>([
	['null', 'a list', 'null'],
	['{}', 'a list', 'an object'],
	['[1]', 'a list', '[1]'],
	['<p>\u001b[31m', 'JSON', '"<p>'],
])('another server that answers %p is told from Alpha', async (body, expected, got) => {
	const [status, message] = (await refusalOf(ok(body), (client) => client.runs())) as [
		number,
		string,
	]
	expect(status).toBe(1)
	expect(message).toStartWith(`URL: expected ${expected}, got ${got}`)
	expect(message).toEndWith('; is this the address of Alpha?')
	expect(message).not.toContain('\u001b')
})

test('one model is no list of them', async () => {
	const [, message] = (await refusalOf(ok('[]'), (client) => client.model('a'))) as [number, string]
	expect(message).toStartWith('URL: expected an object, got []')
})

test.each<[string, (client: ServerClient) => Promise<unknown>]>([
	['list', (client) => client.runs()],
	['stream', (client) => client.models()],
])('a %s that breaks off is a server that cannot be had at the moment', async (_name, ask) => {
	const broken = [69, 'URL: the connection has ended']
	expect(await refusalOf(ok('[{"id":', 1000), ask)).toEqual(broken)
})

test('what a server says drives no terminal', async () => {
	const body = '{"error":{"message":"no\\u001b[2J"}}'
	const answer = ok(body).replace('200 OK', '404 No')
	expect(await refusalOf(answer, (client) => client.runs())).toEqual([1, 'URL: no [2J'])
})
