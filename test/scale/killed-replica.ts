/** SIGKILL for one of four replicas behind a proxy while all have streams, and clients ask without pause. */

import type { Goal } from '../faults/goals/goal.ts'
import { ask, completion } from '../faults/goals/traffic.ts'
import { missingNote, type ProxyName, startProxy } from './proxies.ts'
import { portsOf, startReplicas, stopAll } from './replicas.ts'
import { Stream, type StreamEnd } from './stream.ts'

const REPLICAS = 4
const STREAMS = 16
/** So long that none has ended when all have begun. */
const TOKENS = 2048
const CLIENTS = 4
/** From then on no new request may fail. */
const NOTICE_MS = 1000
const AFTERWARDS_MS = 3000

export interface KillReport {
	/** How the streams of the killed replica ended, and those of the others. */
	readonly killed: readonly StreamEnd[]
	readonly others: readonly StreamEnd[]
	/** Short requests, and what became of those that failed: sent within a second after the kill, or later. */
	readonly requests: number
	readonly early: readonly string[]
	readonly late: readonly string[]
}

export async function killBehind(name: ProxyName): Promise<KillReport> {
	const replicas = await startReplicas(REPLICAS)
	await using proxy = await startProxy(name, portsOf(replicas))
	const streams = Array.from({ length: STREAMS }, () => new Stream(proxy.port, TOKENS))
	const owners = await Promise.all(streams.map(({ begun }) => begun))
	let killedAt = Number.POSITIVE_INFINITY
	let requests = 0
	const early: string[] = []
	const late: string[] = []
	let isOver = false
	const client = async (index: number) => {
		const request = index % 2 === 0 ? { path: '/v1/models' } : completion(4)
		while (!isOver) {
			const sentAt = performance.now()
			const failure = await ask(proxy, request).then(
				({ status, body }) => (status === 200 ? null : `${status}: ${body.slice(0, 200)}`),
				(error: unknown) => String(error),
			)
			requests++
			if (failure !== null) (sentAt > killedAt + NOTICE_MS ? late : early).push(failure)
			await Bun.sleep(5)
		}
	}
	const clients = Array.from({ length: CLIENTS }, (_, i) => client(i))
	const victim = replicas.shift()!
	killedAt = performance.now()
	await victim.kill()
	await Bun.sleep(AFTERWARDS_MS)
	isOver = true
	await Promise.all(clients)
	const ends = await Promise.all(streams.map(({ ended }) => ended))
	await stopAll(replicas)
	return {
		killed: ends.filter((_, i) => owners[i] === victim.name),
		others: ends.filter((_, i) => owners[i] !== victim.name),
		requests,
		early,
		late,
	}
}

export function killedReplica(name: ProxyName): Goal {
	return {
		id: `kill-${name}`,
		goal: `SIGKILL for one of ${REPLICAS} replicas behind ${name}: only its streams end, and clients see it; no new request fails after a second`,
		async measure() {
			if (missingNote(name) !== '') return null
			const { killed, others, requests, early, late } = await killBehind(name)
			const count = (ends: readonly StreamEnd[], end: StreamEnd) =>
				ends.filter((each) => each === end).length
			const isSeen = killed.length > 0 && killed.every((end) => end === 'cut')
			return {
				measured:
					`of its ${killed.length} streams ${count(killed, 'cut')} cut, ${count(killed, 'unnoticed')} ended ` +
					`as if whole; of the ${others.length} others ${count(others, 'whole')} whole; ` +
					`${early.length} + ${late.length} of ${requests} requests failed`,
				isMet: isSeen && count(others, 'whole') === others.length && late.length === 0,
			}
		},
	}
}
