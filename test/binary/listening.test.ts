import { describe, expect, test } from 'bun:test'
import { copyFileSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import {
	findAcceptance,
	withListeningSocket,
} from '../../src/commands/serving/listening-sockets.ts'
import { executablePath, startAlpha } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { runAlpha } from '../helpers/run-alpha.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const certificates = join(import.meta.dir, '../fixtures/tls')

describe('a socket that a supervisor hands over', () => {
	/** As systemd does it: descriptor 3, and variables that say whom it is for. */
	async function startOn(socket: number, cwd: string) {
		const script = `LISTEN_FDS=1 LISTEN_PID=$$ exec '${executablePath}' serve --no-embedded-model`
		const child = Bun.spawn(['sh', '-c', script], {
			cwd,
			stdio: ['ignore', 'pipe', 'ignore', socket],
		})
		const { value } = await child.stdout.getReader().read()
		return { child, announced: new TextDecoder().decode(value) }
	}

	test('is served, and over restarts nobody is refused', async () => {
		using directory = tempDir()
		const { started, socket } = withListeningSocket(() =>
			Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } }),
		)
		using server = started
		// This process only holds it.
		const acceptance = findAcceptance()
		acceptance?.pause()
		let isOver = false
		let answers = 0
		const failures: unknown[] = []
		const client = async () => {
			while (!isOver) {
				const headers = { connection: 'close' }
				await fetch(`http://127.0.0.1:${server.port}/livez`, { headers }).then(
					({ status }) => (status === 200 ? answers++ : failures.push(status)),
					(error: unknown) => failures.push(error),
				)
			}
		}
		const clients = [client(), client()]
		for (let restart = 0; restart < 4; restart++) {
			const { child, announced } = await startOn(socket ?? -1, directory.path)
			expect(announced).toBe(`listening on http://127.0.0.1:${server.port}\n`)
			const before = answers
			await eventually(() => answers > before + 20)
			child.kill('SIGTERM')
			expect(await child.exited).toBe(0)
		}
		const { child } = await startOn(socket ?? -1, directory.path)
		isOver = true
		await Promise.all(clients)
		child.kill('SIGTERM')
		await child.exited
		acceptance?.resume()
		expect(failures).toEqual([])
	}, 60_000)

	test('that is meant for another process is left alone', async () => {
		const env = { LISTEN_FDS: '1', LISTEN_PID: '1' }
		await using server = await startAlpha({ env })
		expect((await fetch(`${server.url}/livez`)).status).toBe(200)
	})
})

describe('TLS', () => {
	function files(from: string) {
		const temporary = tempDir()
		const directory = temporary.path
		const use = (name: string) => {
			copyFileSync(join(certificates, `${name}.crt`), join(directory, 'tls.crt'))
			copyFileSync(join(certificates, `${name}.key`), join(directory, 'tls.key'))
		}
		use(from)
		const args = [`--tls-cert=${directory}/tls.crt`, `--tls-key=${directory}/tls.key`]
		return { use, args, directory, [Symbol.dispose]: () => temporary[Symbol.dispose]() }
	}

	/** The name in the certificate that a new connection is shown. */
	function shownName(port: number): Promise<string> {
		return new Promise((resolve, reject) => {
			const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
				resolve(String(socket.getPeerCertificate().subject.CN))
				socket.destroy()
			})
			socket.on('error', reject)
		})
	}

	test('serves with a certificate from files, and with the next one when they change, while streams go on', async () => {
		using certificate = files('first')
		const { use, args } = certificate
		await using server = await startAlpha({ args })
		expect(server.url).toStartWith('https://')
		expect(await shownName(server.port)).toBe('first.example')
		const tls = { rejectUnauthorized: false }
		const stream = await fetch(`${server.url}/v1/completions`, {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			// Long enough to be under way when the certificate changes.
			body: JSON.stringify({
				prompt: 'a',
				n: 48,
				max_tokens: 2048,
				stream: true,
				ignore_eos: true,
			}),
			tls,
		})
		use('second')
		await eventually(async () => (await shownName(server.port)) === 'second.example', 20_000)
		expect(await stream.text()).toEndWith('data: [DONE]\n\n')
		expect((await fetch(`${server.url}/livez`, { tls })).status).toBe(200)
		await eventually(() => server.log().includes('TLS: a new certificate is used'))
	}, 30_000)

	test('uses what it has as long as the new files do not belong together', async () => {
		using certificate = files('first')
		const { directory, args } = certificate
		await using server = await startAlpha({ args })
		copyFileSync(join(certificates, 'second.crt'), join(directory, 'tls.crt'))
		await eventually(() => server.log().includes('is used on'), 20_000)
		expect(server.log()).toContain('tls.key is not the key of')
		expect(await shownName(server.port)).toBe('first.example')
	}, 30_000)

	test.each([
		[
			'a certificate without its key',
			['--tls-cert=x'],
			64,
			'--tls-cert: expected --tls-key beside it',
		],
		['files that are not there', ['--tls-cert=x', '--tls-key=y'], 78, 'TLS: ENOENT'],
		[
			'another key',
			[`--tls-cert=${certificates}/first.crt`, `--tls-key=${certificates}/second.key`],
			78,
			'second.key is not the key of',
		],
		[
			'what is no certificate',
			[`--tls-cert=${import.meta.path}`, `--tls-key=${certificates}/second.key`],
			78,
			'expected a certificate in PEM',
		],
	])('refuses %s', async (_, args, status, message) => {
		const result = await runAlpha(['serve', '--port=0', ...args])
		expect(result.status).toBe(status)
		expect(result.errors).toContain(message)
	})

	test('closes connections that do not speak it', async () => {
		using certificate = files('first')
		await using server = await startAlpha({ args: certificate.args })
		const { promise, resolve } = Promise.withResolvers<string>()
		let answer = ''
		const socket = connectPlain(server.port, '127.0.0.1', () =>
			socket.write('GET / HTTP/1.1\r\n\r\n'),
		)
		socket.on('data', (bytes) => {
			answer += String(bytes)
		})
		socket.on('close', () => resolve(answer))
		expect(await promise).not.toContain('HTTP/1.1 200')
	})
})
