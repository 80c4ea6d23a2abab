/** Goals of a server that is asked for more than it has: crowds, floods of what costs nothing, the heaviest requests. */
import { median, quantile } from '../../bench/statistics.ts'
import { TaskProcess } from '../../bench/task-process.ts'
import { type AlphaServer, startAlpha } from '../../helpers/alpha-server.ts'
import { eventually } from '../../helpers/eventually.ts'
import { mainThreadMs } from '../../helpers/processor-time.ts'
import type { ClientResult, ClientTask } from './client-process.ts'
import type { Goal } from './goal.ts'
import { type Ask, ask, completion, metric } from './traffic.ts'

/** With and without a load by turns: machines have moods. */
const ROUNDS = 3
const PATIENCE_MS = 100
/** Between two requests of somebody who asks from time to time, in milliseconds. */
const PAUSE_MS = 30

function startClients(): TaskProcess<ClientTask, ClientResult> {
	return new TaskProcess('../faults/goals/client-process.ts')
}

/** Times of /health, asked again and again from this process, which does nothing else. */
async function healthBeside(server: AlphaServer, work: Promise<unknown>): Promise<number[]> {
	const times: number[] = []
	let isOver = false
	const over = work.finally(() => {
		isOver = true
	})
	while (!isOver) {
		times.push((await ask(server, { path: '/health' })).endMs)
		await Bun.sleep(10)
	}
	await over
	return times
}

/** What 128 clients and then ten times as many get, who ask again at once, by turns. */
async function crowdFigures(runs: readonly string[], scale: number) {
	await using server = await startAlpha({ runs, args: ['--threads=1'] })
	using process = startClients()
	const ms = Math.max(1500, 10_000 * scale)
	const load = async (clients: number) => {
		const before = mainThreadMs(server.pid)
		// Those who wait at the end are served later, and are not counted.
		const spent = Bun.sleep(ms).then(() => mainThreadMs(server.pid) - before)
		const requests = [completion(100)]
		const task = { port: server.port, clients, addresses: 64, ms, retryMs: PATIENCE_MS, requests }
		const working = process.run(task)
		const health = await healthBeside(server, working)
		return { ...(await working), health, mainMs: await spent }
	}
	await load(128)
	const shares: number[] = []
	const refusalMs: number[] = []
	const health: number[] = []
	const processors: number[] = []
	let [peak, refused, silent, broken] = [0, 0, 0, 0]
	for (let round = 0; round < ROUNDS; round++) {
		const alone = await load(128)
		const crowd = await load(1280)
		const share = crowd.accepted.length / alone.accepted.length
		shares.push(share)
		refusalMs.push((crowd.mainMs - alone.mainMs * share) / crowd.refused.length)
		health.push(...crowd.health)
		processors.push((crowd.cpuMs - alone.cpuMs) / ms)
		peak = Math.max(peak, (alone.accepted.length / ms) * 1000)
		refused += crowd.refused.length
		silent += crowd.silent
		broken += crowd.broken + alone.broken
	}
	const [share, refusal, p99] = [median(shares), median(refusalMs), quantile(health, 0.99)]
	return {
		text:
			`${(share * 100).toFixed(0)} % of ${peak.toFixed(0)} a second; ${refused} refused, ` +
			`${silent} without Retry-After; health p99 ${p99.toFixed(1)} ms; ${broken} broken; ` +
			`the crowd itself takes ${(median(processors) * 100).toFixed(0)} % of a processor more`,
		share,
		refusalMs: refusal,
		isOrderly: p99 <= 20 && silent + broken === 0,
	}
}

/**
 * The crowd shares the server's processors: what it takes of them beyond the 128 is told, and belongs to what is
 * missing from the peak.
 */
export const overload: Goal = {
	id: 'G10',
	goal: 'ten times the clients, who ask again at once: goodput 90 % of peak, refusals with Retry-After and 0.1 ms each, health p99 20 ms, none broken',
	async measure(scale) {
		const { text, share, refusalMs, isOrderly } = await crowdFigures([], scale)
		return {
			measured: `${text}; a refusal takes ${refusalMs.toFixed(3)} ms of the main thread`,
			isMet: share >= 0.9 && refusalMs <= 0.1 && isOrderly,
		}
	},
}

/**
 * Here answers fill both processors, so what a crowd takes of them is missing; refusals are lost in how much an
 * answer takes from time to time.
 */
export const overloadOfTinyModel: Goal = {
	id: 'G10',
	goal: 'the same with a model so small that texts and HTTP bound it: goodput 80 % of peak, health p99 20 ms, none broken',
	async measure(scale) {
		const { text, share, isOrderly } = await crowdFigures(['v2-bpe-chat'], scale)
		return { measured: text, isMet: share >= 0.8 && isOrderly }
	},
}

/**
 * Clients of the flood read what they get, in a process of their own. Who asks from time to time finds processors that
 * rest, or that work for others; who asks without pause finds all of them awake, so at rest gets more than it would
 * elsewhere. How soon `/health` answers says what is due to the processors that all share.
 */
export const fairness: Goal = {
	id: 'G11',
	goal: 'a flood of 228 requests of another client: first token at most twice that at rest',
	async measure(scale) {
		await using server = await startAlpha({ runs: ['v2-bpe-chat'], args: ['--threads=1'] })
		using process = startClients()
		const times = async (request: Ask, pauseMs: number) => {
			const all: number[] = []
			for (let i = 0; i < 60; i++) {
				await Bun.sleep(pauseMs)
				all.push((await ask(server, request)).firstMs)
			}
			return median(all)
		}
		const firstMs = async () => ({
			token: await times(completion(1, { stream: true }), PAUSE_MS),
			health: await times({ path: '/health' }, PAUSE_MS),
			eager: await times(completion(1, { stream: true }), 0),
		})
		const inFlood = async () => {
			const ms = 500 + 2 * 60 * (PAUSE_MS + 10)
			const task = { port: server.port, clients: 228, addresses: 1, ms, retryMs: 50 }
			const working = process.run({ ...task, requests: [completion(2048, { stream: true })] })
			const running = () => metric(server, 'alpha_sequences_running')
			await eventually(async () => (await running()) >= 100, 30_000)
			// They come over half a second.
			await Bun.sleep(500)
			const measured = await firstMs()
			await working
			await eventually(async () => (await running()) === 0, 60_000)
			return measured
		}
		await firstMs()
		await inFlood()
		const rounds: Record<'rest' | 'flood', Awaited<ReturnType<typeof firstMs>>>[] = []
		for (let round = 0; round < Math.ceil(ROUNDS * scale); round++) {
			rounds.push({ rest: await firstMs(), flood: await inFlood() })
		}
		const factors = (what: 'token' | 'health' | 'eager') => {
			const [rest, flood] = (['rest', 'flood'] as const).map((load) =>
				median(rounds.map((round) => round[load][what])),
			)
			const factor = median(rounds.map((round) => round.flood[what] / round.rest[what]))
			return {
				factor,
				text: `${flood!.toFixed(1)} ms, ${factor.toFixed(1)} × that at rest (${rest!.toFixed(1)})`,
			}
		}
		const token = factors('token')
		return {
			measured: `${token.text}; asked without pause ${factors('eager').text}; /health ${factors('health').text}`,
			isMet: token.factor <= 2,
		}
	},
}

/** Clients with more requests than their share of places: each gets as much, whoever has the most. */
export const shares: Goal = {
	id: 'G11',
	goal: 'clients with 100, 60, 40 and 30 open requests get as much as one another: Jain 0.95',
	async measure(scale) {
		await using server = await startAlpha({ runs: ['v2-bpe-chat'], args: ['--threads=1'] })
		const open = [100, 60, 40, 30]
		const processes = open.map(startClients)
		const ms = Math.max(1500, 8000 * scale)
		const load = () =>
			Promise.all(
				processes.map((process, i) =>
					process.run({
						port: server.port,
						clients: open[i]!,
						addresses: 1,
						from: i + 1,
						ms,
						retryMs: PATIENCE_MS,
						requests: [completion(100)],
					}),
				),
			)
		await load()
		const answered = (await load()).map(({ accepted }) => accepted.length)
		for (const process of processes) process[Symbol.dispose]()
		const index = jainIndex(answered)
		return { measured: `${index.toFixed(3)}; ${answered.join(', ')} answers`, isMet: index >= 0.95 }
	},
}

/** 1 = all the same, 1 / n = one has everything (R. Jain, 1984). */
function jainIndex(values: readonly number[]): number {
	const sum = values.reduce((total, value) => total + value, 0)
	const squares = values.reduce((total, value) => total + value * value, 0)
	return (sum * sum) / (values.length * squares)
}

export const floods: Goal = {
	id: 'G15',
	goal: 'beside floods of cheap requests a stream keeps 80 % of its speed',
	async measure(scale) {
		// One place: while a stream runs, everybody else is refused.
		const args = ['--threads=1', '--sequences-max=1', '--queue-length-max=0']
		await using server = await startAlpha({ runs: ['v2-bpe-chat'], args })
		using process = startClients()
		const floods: Readonly<Record<string, Ask>> = {
			health: { path: '/health' },
			'unknown model': completion(1, { model: 'unknown' }),
			refusals: completion(1),
		}
		const ms = Math.max(500, 3000 * scale)
		/** Tokens a second of one stream after the other. */
		const speed = async () => {
			const end = performance.now() + ms
			const times: number[] = []
			while (performance.now() < end) {
				const { status, endMs } = await ask(server, completion(2048, { stream: true }))
				if (status === 200) times.push(endMs)
			}
			return 2048 / (median(times) / 1000)
		}
		const alone: number[] = []
		const shares: Record<string, number[]> = {}
		const rates: Record<string, number> = {}
		await speed()
		for (let round = 0; round < ROUNDS; round++) {
			for (const [name, request] of Object.entries(floods)) {
				const before = await speed()
				// What is let through at once is over when the stream is measured.
				const floodMs = 1500 + ms
				const flooding = process.run({
					port: server.port,
					clients: 64,
					addresses: 1,
					ms: floodMs,
					retryMs: 0,
					// The place is for the stream: who gets it between two of them comes back later.
					restMs: name === 'refusals' ? PATIENCE_MS : 0,
					requests: [request],
				})
				await Bun.sleep(1500)
				const beside = await speed()
				const { accepted, refused } = await flooding
				alone.push(before)
				shares[name] = [...(shares[name] ?? []), beside / before]
				rates[name] = ((accepted.length + refused.length) / floodMs) * 1000
			}
		}
		const each = Object.entries(shares).map(([name, values]) => {
			return `${name} ${(median(values) * 100).toFixed(0)} % (${rates[name]?.toFixed(0)} a second)`
		})
		return {
			measured: `${each.join(', ')} of ${median(alone).toFixed(0)} tokens a second`,
			isMet: Object.values(shares).every((values) => median(values) >= 0.8),
		}
	},
}

export const eventLoop: Goal = {
	id: 'G15',
	goal: 'health p99 at most 20 ms while the heaviest requests run',
	async measure(scale) {
		await using server = await startAlpha({ runs: ['v2-bpe-chat'], args: ['--threads=1'] })
		using process = startClients()
		const heavy: object[] = [
			{ prompt: Array.from({ length: 100_000 }, () => 1), echo: true, max_tokens: 1 },
			{ prompt: 'word '.repeat(100_000), max_tokens: 1 },
			{ prompt: 'a', stop: Array.from({ length: 64 }, (_, i) => `${i}`.repeat(300)), n: 16 },
			{ prompt: Array.from({ length: 64 }, () => 'a b c '.repeat(1000)), max_tokens: 1 },
		]
		const requests = heavy.map((body) => ({ path: '/v1/completions', body }))
		const load = (ms: number) =>
			process.run({ port: server.port, clients: 1, addresses: 1, ms, retryMs: 0, requests })
		// Code is compiled while it runs for the first times.
		await load(2000)
		const loading = load(20_000 * scale)
		const times = await healthBeside(server, loading)
		const { accepted, refused } = await loading
		const p99 = quantile(times, 0.99)
		const answers = `${accepted.length} answers, ${refused.length} refused`
		return { measured: `p99 ${p99.toFixed(1)} ms of ${times.length}; ${answers}`, isMet: p99 <= 20 }
	},
}
