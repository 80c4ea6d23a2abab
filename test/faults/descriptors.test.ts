/** What becomes of a server whose file descriptors are all in use. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { type AlphaServer, executablePath, startAlpha } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'

const LIMIT = 256
const limited = ['sh', '-c', `ulimit -n ${LIMIT} && exec "$0" "$@"`, executablePath]

/** Connections that send nothing, or the beginning of a request. */
function halfOpen(server: AlphaServer, count: number): Socket[] {
	return Array.from({ length: count }, (_, i) => {
		const socket = connect({ host: '127.0.0.1', port: server.port })
		socket.on('error', () => {})
		if (i % 2 === 0) socket.write('POST /v1/completions HTTP/1.1\r\nHost:')
		return socket
	})
}

/** A connection that was there before, one request after another. */
function openClient(server: AlphaServer) {
	const socket = connect({ host: '127.0.0.1', port: server.port })
	return {
		async ask(method: string, path: string, body = ''): Promise<string> {
			const answer = Promise.withResolvers<string>()
			let text = ''
			const read = (bytes: Buffer) => {
				text += bytes.toString()
				const [head = '', rest] = text.split('\r\n\r\n')
				const length = Number(/content-length: (\d+)/i.exec(head)?.[1])
				if (rest !== undefined && Buffer.byteLength(rest) >= length) answer.resolve(text)
			}
			socket.on('data', read)
			socket.write(
				`${method} ${path} HTTP/1.1\r\nHost: test.example\r\nContent-Type: application/json\r\n` +
					`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
			)
			const whole = await answer.promise
			socket.off('data', read)
			return whole
		},
		close: () => socket.destroy(),
	}
}

/** Processor time of the whole process, in seconds. */
function processorSeconds({ pid }: AlphaServer): number {
	const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
	return (Number(fields[11]) + Number(fields[12])) / 100
}

test.each([
	['a model of the directory', ['v2-bpe-chat'], 'v2-bpe-chat'],
	['the model inside the executable', [], 'novels-austen'],
])(
	'%s answers on, nothing spins, and who waits comes in later',
	async (_, runs, model) => {
		await using server = await startAlpha({ command: limited, runs, args: ['--threads=1'] })
		const client = openClient(server)
		await client.ask('GET', '/health')
		const sockets = halfOpen(server, LIMIT + 100)
		await eventually(() => server.log().includes('all file descriptors are in use'), 10_000)

		const before = processorSeconds(server)
		await Bun.sleep(1000)
		expect(processorSeconds(server) - before).toBeLessThan(0.5)

		const body = JSON.stringify({ model, prompt: 'a', max_tokens: 5 })
		expect(await client.ask('POST', '/v1/completions', body)).toStartWith('HTTP/1.1 200')
		expect(await client.ask('GET', '/v1/models')).toContain(`"${model}"`)

		const late = fetch(`${server.url}/health`)
		for (const socket of sockets) socket.destroy()
		expect((await late).status).toBe(200)
		await eventually(() => server.log().includes('connections are accepted again'), 10_000)
		client.close()
	},
	60_000,
)
