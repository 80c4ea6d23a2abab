/** What a proxy adds to the time until the first token. */

import { median, quantile } from '../bench/statistics.ts'
import type { Goal } from '../faults/goals/goal.ts'
import { missingNote, proxyNames, startProxy } from './proxies.ts'
import { portsOf, startReplicas, stopAll } from './replicas.ts'
import { Stream } from './stream.ts'

const REPLICAS = 3
const REQUESTS = 500
const ADDED_MS_MAX = 2
/** Machines have moods. */
const ROUNDS = 3

async function firstTokenMs(port: number): Promise<number> {
	const stream = new Stream(port, 2)
	if ((await stream.ended) !== 'whole') throw new Error('a stream was not whole')
	return stream.firstMs
}

export const hop: Goal = {
	id: 'hop',
	goal: `a proxy adds at most ${ADDED_MS_MAX} ms to the p99 of the first token`,
	async measure(scale) {
		const names = proxyNames.filter((name) => missingNote(name) === '')
		if (names.length === 0) return null
		const replicas = await startReplicas(REPLICAS)
		await using stack = new AsyncDisposableStack()
		const ports = new Map<string, number>([['direct', replicas[0]!.server.port]])
		for (const name of names) {
			ports.set(name, stack.use(await startProxy(name, portsOf(replicas))).port)
		}
		const p99s = new Map([...ports.keys()].map((name) => [name, [] as number[]]))
		for (let round = 0; round <= ROUNDS; round++) {
			const times = new Map([...ports.keys()].map((name) => [name, [] as number[]]))
			for (let i = 0; i < Math.max(20, REQUESTS * scale); i++) {
				for (const [name, port] of ports) times.get(name)!.push(await firstTokenMs(port))
			}
			// Code is compiled while it runs for the first times.
			if (round === 0) continue
			for (const [name, of] of times) p99s.get(name)!.push(quantile(of, 0.99))
		}
		await stopAll(replicas)
		const direct = p99s.get('direct')!
		const added = names.map((name) => {
			return { name, ms: median(p99s.get(name)!.map((p99, round) => p99 - direct[round]!)) }
		})
		const figures = added.map(({ name, ms }) => `${name} + ${ms.toFixed(1)} ms`)
		return {
			measured: `${figures.join(', ')} (without ${median(direct).toFixed(1)} ms)`,
			isMet: added.every(({ ms }) => ms <= ADDED_MS_MAX),
		}
	},
}
