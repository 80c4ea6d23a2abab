/** The real trainer's conversations, held again with the executable: as recorded, and over a bad line. */
import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AlphaServer, startAlpha, uploadSecret } from '../helpers/alpha-server.ts'
import { type Fate, FlakyProxy } from '../helpers/flaky-proxy.ts'
import { uniform } from '../helpers/random-model.ts'
import { readRecording, recordings, sendRecorded } from '../helpers/trainer-recording.ts'
import { expectAll, persist } from './recorded-training.ts'

setDefaultTimeout(60_000)

describe.each(recordings)('the training %s', (name) => {
	const requests = readRecording(name)

	test('is answered as recorded, and all of it is there', async () => {
		await using server = await startAlpha({ runs: [], args: ['--no-embedded-model'] })
		const live = await fetch(`${server.url}/api/training/live`)
		for (const request of requests) {
			const answer = await sendRecorded(server.url, request)
			const body = await answer.json()
			expect([request.n, answer.status]).toEqual([request.n, 200])
			// Names are directories here.
			expect(body).toMatchObject({
				...request.answer,
				...(body.name === undefined ? {} : { name: body.name }),
			})
		}
		await live.body?.cancel()
		await expectAll(server.url, server.checkpoints, requests)
	})

	test('loses nothing over a line that breaks, and nothing comes twice', async () => {
		await using server = await startAlpha({ runs: [], args: ['--no-embedded-model'] })
		using proxy = new FlakyProxy(server.port)
		const random = uniform(7)
		const fates: Fate[] = ['pass', 'lose request', 'lose answer', 'lose answer']
		proxy.nextFate = () => fates[Math.floor(random() * fates.length)] ?? 'pass'
		for (const request of requests) await persist(proxy.url, request)
		await expectAll(server.url, server.checkpoints, requests)
	})

	test('loses nothing when the server is killed again and again', async () => {
		const checkpoints = mkdtempSync(join(tmpdir(), 'alpha-test-'))
		const start = () =>
			startAlpha({ runs: [], args: ['--no-embedded-model'], env: { CHECKPOINTS_DIR: checkpoints } })
		let server: AlphaServer = await start()
		using proxy = new FlakyProxy(server.port)
		const random = uniform(11)
		try {
			for (const request of requests) {
				if (random() < 0.25) {
					// In the middle of a request, of which the trainer does not learn what became.
					const pending = sendRecorded(proxy.url, request).catch(() => null)
					await Bun.sleep(random() * 4)
					process.kill(server.pid, 'SIGKILL')
					await pending
					await server.stop()
					server = await start()
					proxy.serverPort = server.port
				}
				await persist(proxy.url, request)
			}
			await expectAll(server.url, checkpoints, requests)
		} finally {
			await server.stop()
			rmSync(checkpoints, { recursive: true, force: true })
		}
	})

	test('can be told in any order of pieces, repeated ones and missing ones', async () => {
		await using server = await startAlpha({ runs: [], args: ['--no-embedded-model'] })
		const pieces = requests.filter(({ path }) => path === '/api/upload/chunk')
		const others = requests.filter(({ path }) => path !== '/api/upload/chunk')
		const assembly = others.find(({ path }) => path === '/api/upload/assemble')!
		for (const request of others) {
			if (request === assembly) break
			await persist(server.url, request)
		}
		for (const piece of pieces.slice(1).reverse()) {
			await persist(server.url, { ...piece, body: Buffer.from('not this') })
			await persist(server.url, piece)
		}
		expect((await sendRecorded(server.url, assembly)).status).toBe(400)
		await persist(server.url, pieces[0]!)
		await persist(server.url, pieces[0]!)
		for (const request of others.slice(others.indexOf(assembly))) {
			await persist(server.url, request)
			await persist(server.url, request)
		}
		await expectAll(server.url, server.checkpoints, requests)
	})
})

describe('the trainer’s reporter', () => {
	/** Keeps what was not delivered and sends it again at the end, without pause or limit. */
	async function flush(url: string, secret: string, signal: AbortSignal): Promise<number> {
		const body = JSON.stringify({ type: 'metrics', runId: 'run', metrics: [{ step: 1, loss: 2 }] })
		for (let count = 1; ; count++) {
			const headers = { 'content-type': 'application/json', authorization: `Bearer ${secret}` }
			const answer = await fetch(`${url}/api/ingest`, {
				method: 'POST',
				headers,
				body,
				signal,
			}).catch(() => null)
			if (answer?.ok || signal.aborted) return count
		}
	}

	test('ends at once when it is let in', async () => {
		await using server = await startAlpha({ runs: [] })
		expect(await flush(server.url, uploadSecret, AbortSignal.timeout(5000))).toBe(1)
	})

	test('with a wrong secret asks once a second, and gets one line of log', async () => {
		await using server = await startAlpha({ runs: [] })
		const before = server.log().length
		expect(await flush(server.url, 'wrong', AbortSignal.timeout(3500))).toBeLessThanOrEqual(4)
		expect(
			server
				.log()
				.slice(before)
				.split('\n')
				.filter((line) => line.includes('/api/ingest')),
		).toHaveLength(1)
	})
})
