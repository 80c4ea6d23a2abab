/**
 * The recorded trainings at the pace of their recording, both at once, while somebody watches: the
 * pauses of a real training are long, and servers are restarted and lines break in them.
 *
 * `REPLAY_SPEED=1 bun test --timeout 600000 test/clients/trainer-timing.test.ts` takes as long as the
 * trainings did, 102 s for each test; without the variable they are hurried.
 */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AlphaServer, startAlpha } from '../helpers/alpha-server.ts'
import { type Fate, FlakyProxy } from '../helpers/flaky-proxy.ts'
import { uniform } from '../helpers/random-model.ts'
import { parseSse } from '../helpers/read-sse.ts'
import { type RecordedRequest, readRecording, recordings } from '../helpers/trainer-recording.ts'
import { expectAll, persist } from './recorded-training.ts'

const HURRY = 20
const speed = Number(process.env['REPLAY_SPEED'] ?? HURRY)

setDefaultTimeout(60_000 + 180_000 / speed)

const trainings = recordings.map(readRecording)

/** Sends each request when the trainer did, or when the one before it has been taken. */
async function hold(url: string, requests: readonly RecordedRequest[]): Promise<void> {
	const startedAt = performance.now()
	for (const request of requests) {
		await Bun.sleep(Math.max(0, startedAt + request.atMs / speed - performance.now()))
		await persist(url, request)
	}
}

async function holdAll(url: string): Promise<void> {
	await Promise.all(trainings.map((requests) => hold(url, requests)))
}

/** Somebody who watches, and comes back whenever the stream breaks. */
class Onlooker implements Disposable {
	readonly #over = new AbortController()
	/** Steps that it has seen metrics of, by the trainer's name of the run. */
	readonly steps = new Map<string, Set<number>>()

	constructor(url: string) {
		void this.#watch(url)
	}

	async #watch(url: string): Promise<void> {
		const { signal } = this.#over
		while (!signal.aborted) {
			try {
				const response = await fetch(`${url}/api/training/live`, { signal, keepalive: false })
				let text = ''
				for await (const bytes of response.body ?? []) {
					text += new TextDecoder().decode(bytes)
					const end = text.lastIndexOf('\n\n') + 2
					if (end < 2) continue
					for (const { data } of parseSse(text.slice(0, end))) this.#see(JSON.parse(data))
					text = text.slice(end)
				}
			} catch {
				// The server is away; it comes again.
			}
			await Bun.sleep(10)
		}
	}

	#see(data: Record<string, unknown>): void {
		const told = Array.isArray(data['runs']) ? data['runs'] : [data]
		for (const { runId, run_id = runId, metrics } of told) {
			if (!Array.isArray(metrics)) continue
			const seen = this.steps.get(run_id) ?? new Set()
			for (const { step } of metrics) seen.add(step)
			this.steps.set(run_id, seen)
		}
	}

	[Symbol.dispose](): void {
		this.#over.abort()
	}
}

async function expectEverything(url: string, checkpoints: string): Promise<void> {
	for (const requests of trainings) await expectAll(url, checkpoints, requests)
}

test('two trainings at their own pace: all is there, and whoever watched has seen each step', async () => {
	await using server = await startAlpha({ runs: [], args: ['--no-embedded-model'] })
	using onlooker = new Onlooker(server.url)
	await holdAll(server.url)
	await expectEverything(server.url, server.checkpoints)
	const seen = [...onlooker.steps.values()].map(({ size }) => size)
	expect(seen.sort((a, b) => a - b)).toEqual([40, 120])
})

test('a line that breaks now and then takes nothing and doubles nothing', async () => {
	await using server = await startAlpha({ runs: [], args: ['--no-embedded-model'] })
	using proxy = new FlakyProxy(server.port)
	const random = uniform(3)
	const fates: Fate[] = ['pass', 'pass', 'lose request', 'lose answer']
	proxy.nextFate = () => fates[Math.floor(random() * fates.length)] ?? 'pass'
	await holdAll(proxy.url)
	await expectEverything(server.url, server.checkpoints)
})

test('a server that is killed every few seconds has everything in the end', async () => {
	const checkpoints = mkdtempSync(join(tmpdir(), 'alpha-test-'))
	const start = () =>
		startAlpha({ runs: [], args: ['--no-embedded-model'], env: { CHECKPOINTS_DIR: checkpoints } })
	let server: AlphaServer = await start()
	using proxy = new FlakyProxy(server.port)
	let isOver = false
	const random = uniform(5)
	const killing = async () => {
		while (!isOver) {
			await Bun.sleep((random() * 10_000) / speed)
			process.kill(server.pid, 'SIGKILL')
			await server.stop()
			server = await start()
			proxy.serverPort = server.port
		}
	}
	try {
		using onlooker = new Onlooker(proxy.url)
		const killed = killing()
		await holdAll(proxy.url)
		isOver = true
		await killed
		await expectEverything(server.url, checkpoints)
		expect([...onlooker.steps.values()].map(({ size }) => size).sort((a, b) => a - b)).toEqual([
			40, 120,
		])
	} finally {
		await server.stop()
		rmSync(checkpoints, { recursive: true, force: true })
	}
})
