/** Goals of a server under load: streams, readers, memory. */
import { readdirSync } from 'node:fs'
import type { Socket } from 'node:net'
import { median, quantile } from '../../bench/statistics.ts'
import { type AlphaServer, startAlpha } from '../../helpers/alpha-server.ts'
import { eventually } from '../../helpers/eventually.ts'
import type { Goal } from './goal.ts'
import { ask, completion, metric, neglect } from './traffic.ts'

const attacker = '127.0.0.2'
const MIB = 2 ** 20
/** With and without a load by turns: machines have moods. */
const ROUNDS = 3

function start(): Promise<AlphaServer> {
	return startAlpha({ runs: ['v2-bpe-chat'], args: ['--threads=1'] })
}

const streamed = (tokens: number, changes: object = {}) =>
	completion(tokens, { stream: true, ...changes })

async function idle(server: AlphaServer): Promise<void> {
	await eventually(async () => (await metric(server, 'alpha_sequences_running')) === 0, 60_000)
}

/** Frames a second of a stream that is read, and milliseconds until its first byte; medians of some. */
async function honest(server: AlphaServer, count: number) {
	const answers = []
	for (let i = 0; i < count; i++) answers.push(await ask(server, streamed(200, { seed: i })))
	return {
		firstMs: median(answers.map(({ firstMs }) => firstMs)),
		speed: median(answers.map(({ endMs }) => 200 / (endMs / 1000))),
	}
}

/** Streams that fill the places of a model: with them the engine is at work, and its garbage is at its most. */
const RUNNING = 128

export const streamMemory: Goal = {
	id: 'G6',
	goal: '5,000 streams that wait or run take at most 25 kB each, beside what a busy server takes',
	async measure(scale) {
		const count = Math.round(5000 * scale)
		const args = ['--threads=1', `--queue-length-max=${count}`, '--queue-seconds=600']
		await using server = await startAlpha({ runs: ['v2-bpe-chat'], args })
		await honest(server, 5)
		const residentBytes = () => metric(server, 'process_resident_memory_bytes')
		const underWay = async () =>
			(await metric(server, 'alpha_sequences_running')) +
			(await metric(server, 'alpha_sequences_waiting'))
		const sockets: Socket[] = []
		const open = async (total: number) => {
			while (sockets.length < total) sockets.push(neglect(server, streamed(2048)))
			await eventually(async () => (await underWay()) >= total * 0.9, 60_000)
		}
		const idle = await residentBytes()
		await open(RUNNING)
		const busy = await residentBytes()
		await open(count)
		const full = await residentBytes()
		for (const socket of sockets) socket.destroy()
		const each = (full - busy) / (count - RUNNING) / 1000
		const [first, all] = [busy - idle, full - idle].map((bytes) => (bytes / MIB).toFixed(0))
		return {
			measured: `${each.toFixed(1)} kB each of ${count}; ${first} MB more with ${RUNNING} that run, ${all} MB with all`,
			isMet: each <= 25,
		}
	},
}

export const leaks: Goal = {
	id: 'G7',
	goal: 'after connects and aborts: descriptors flat, nothing runs',
	async measure(scale) {
		await using server = await start()
		const descriptors = () => readdirSync(`/proc/${server.pid}/fd`).length
		await honest(server, 3)
		const before = descriptors()
		const count = Math.round(10_000 * scale)
		for (let done = 0; done < count; done += 100) {
			const sockets = Array.from({ length: 100 }, () => neglect(server, streamed(500)))
			await Bun.sleep(Math.random() * 20)
			for (const socket of sockets) socket.destroy()
		}
		await idle(server)
		await eventually(() => descriptors() <= before + 2, 30_000)
		const waiting = await metric(server, 'alpha_sequences_waiting')
		return {
			measured: `${count} aborts: ${descriptors() - before} more descriptors, ${waiting} waiting`,
			isMet: waiting === 0,
		}
	},
}

export const isolation: Goal = {
	id: 'G8',
	goal: 'random aborts change no other stream',
	async measure(scale) {
		await using server = await start()
		const text = async () => {
			const body = JSON.stringify({ prompt: 'the', max_tokens: 200, seed: 7, ignore_eos: true })
			const headers = { 'content-type': 'application/json' }
			const response = await fetch(`${server.url}/v1/completions`, {
				method: 'POST',
				headers,
				body,
			})
			return ((await response.json()) as { choices: { text: string }[] }).choices[0]?.text
		}
		const alone = await text()
		const count = Math.round(2000 * scale)
		let different = 0
		for (let done = 0; done < count; done += 50) {
			const sockets = Array.from({ length: 50 }, () => neglect(server, streamed(500)))
			const together = text()
			await Bun.sleep(Math.random() * 10)
			for (const socket of sockets) socket.destroy()
			if ((await together) !== alone) different++
		}
		return { measured: `${count} aborts, ${different} answers changed`, isMet: different === 0 }
	},
}

export const slowReaders: Goal = {
	id: 'G9',
	goal: 'with 500 unread streams others keep 80 % of their speed, first token at most twice idle',
	async measure(scale) {
		await using server = await start()
		const count = Math.round(500 * scale)
		const asked = { ...streamed(2048, { logprobs: 20 }), from: attacker }
		const alone = []
		const beside = []
		let unread = 0
		await honest(server, 20)
		for (let round = 0; round < ROUNDS; round++) {
			alone.push(await honest(server, 20))
			const sockets = Array.from({ length: count }, () => neglect(server, asked))
			await eventually(async () => (await metric(server, 'alpha_sequences_running')) > 0, 10_000)
			await eventually(async () => (await metric(server, 'alpha_sequences_waiting')) === 0, 60_000)
			await idle(server)
			unread = Math.max(unread, (await metric(server, 'alpha_unread_bytes')) / MIB)
			beside.push(await honest(server, 20))
			for (const socket of sockets) socket.destroy()
			await eventually(async () => (await metric(server, 'alpha_unread_bytes')) === 0, 10_000)
		}
		const share = ratioOf(beside, alone, ({ speed }) => speed)
		const late = ratioOf(beside, alone, ({ firstMs }) => firstMs)
		return {
			measured:
				`${(share * 100).toFixed(0)} % of the speed, first token ${late.toFixed(2)} × ` +
				`that of idle (${median(alone.map(({ firstMs }) => firstMs)).toFixed(1)} ms), ${unread.toFixed(0)} MB unread`,
			isMet: share >= 0.8 && late <= 2 && unread <= 64,
		}
	},
}

/** Median over the rounds of one figure beside the load to the one before it. */
function ratioOf<T>(beside: readonly T[], alone: readonly T[], figure: (of: T) => number): number {
	return median(beside.map((each, round) => figure(each) / figure(alone[round]!)))
}

export const soak: Goal = {
	id: 'G16',
	goal: 'memory after mixed load: in its second half it grows by 5 % at most',
	async measure(scale) {
		await using server = await start()
		const residentMib = async () => (await metric(server, 'process_resident_memory_bytes')) / MIB
		const ms = 150_000 * scale
		const requests: (() => Promise<unknown>)[] = [
			() => ask(server, streamed(100)),
			() => ask(server, completion(50, { n: 4, logprobs: 5 })),
			() => ask(server, completion(20, { prompt: `${Math.random()} `.repeat(50) })),
			() => ask(server, completion(1, { model: 'unknown' })),
			() => ask(server, completion(10, { response_format: { type: 'json_object' } })),
			() => ask(server, { path: '/v1/models' }),
			async () => {
				const socket = neglect(server, streamed(2048))
				await Bun.sleep(20)
				socket.destroy()
			},
		]
		let answered = 0
		const samples: number[] = []
		const end = performance.now() + ms
		const client = async (first: number) => {
			for (let i = first; performance.now() < end; i++) {
				await requests[i % requests.length]?.().catch(() => {})
				answered++
			}
		}
		const clients = Promise.all(Array.from({ length: 8 }, (_, i) => client(i)))
		while (performance.now() < end) {
			samples.push(await residentMib())
			await Bun.sleep(ms / 50)
		}
		await clients
		const middle = median(samples.slice(20, 25))
		const last = median(samples.slice(-5))
		return {
			measured: `${answered} requests in ${(ms / 1000).toFixed(0)} s: ${middle.toFixed(0)} MB in the middle, ${last.toFixed(0)} MB at the end`,
			isMet: last <= middle * 1.05,
		}
	},
}

export const unreadScores: Goal = {
	id: 'G9',
	goal: '100 unread streams with 20 log-probabilities: 2 MB each, health and metrics p99 at most 50 ms',
	async measure(scale) {
		await using server = await start()
		await honest(server, 5)
		const residentBytes = () => metric(server, 'process_resident_memory_bytes')
		const before = await residentBytes()
		const count = Math.round(100 * scale)
		const request = streamed(2048, { logprobs: 20 })
		const sockets = Array.from({ length: count }, () => neglect(server, request))
		const times: number[] = []
		let most = before
		await eventually(async () => {
			times.push((await ask(server, { path: '/health' })).endMs)
			times.push((await ask(server, { path: '/metrics' })).endMs)
			most = Math.max(most, await residentBytes())
			return (await metric(server, 'alpha_streams_parked_total')) >= count
		}, 60_000)
		for (const socket of sockets) socket.destroy()
		const each = (most - before) / count / MIB
		const p99 = quantile(times, 0.99)
		return {
			measured: `all parked, ${each.toFixed(2)} MB each at most, p99 ${p99.toFixed(1)} ms`,
			isMet: each <= 2 && p99 <= 50,
		}
	},
}
