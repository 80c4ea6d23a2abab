/** Restarts of one server of three behind a proxy, again and again, while clients ask without pause. */

import type { Goal } from '../faults/goals/goal.ts'
import { type Asked, ask, completion } from '../faults/goals/traffic.ts'
import { missingNote, type ProxyName, startProxy } from './proxies.ts'
import { portsOf, startReplica, startReplicas, stopAll } from './replicas.ts'

const REPLICAS = 3
const CLIENTS = 4
const TOKENS = 300
/** Three looks of the slowest proxy, and some more. */
const LOOKS_MS = 2500
/** Until a proxy has seen that a server is back. */
const NOTICE_MS = 500
const RESTARTS = 100
/** What has not been restarted by then is not any more. */
const RESTARTS_MS_MAX = 280_000

/** What is wrong with an answer; null when it is whole. */
function complaintAbout({ status, body }: Asked, isStreaming: boolean): string | null {
	const isWhole = isStreaming
		? body.endsWith('data: [DONE]\n\n') && !body.includes('"error"')
		: body.includes('"replica-')
	if (status === 200 && isWhole) return null
	return `${isStreaming ? 'stream' : 'list'} ${status}: ${body.slice(0, 300)} … ${body.slice(-300)}`
}

/** What failed of how many requests, lists and streams, during so many restarts. */
export async function restartsBehind(name: ProxyName, count: number) {
	const replicas = await startReplicas(REPLICAS)
	await using proxy = await startProxy(name, portsOf(replicas))
	let [requests, restarts] = [0, 0]
	const failures: string[] = []
	let isOver = false
	const client = async (isStreaming: boolean) => {
		while (!isOver) {
			const request = isStreaming ? completion(TOKENS, { stream: true }) : { path: '/v1/models' }
			const failure = await ask(proxy, request).then(
				(answer) => complaintAbout(answer, isStreaming),
				(error: unknown) => String(error),
			)
			requests++
			if (failure !== null) failures.push(failure)
			await Bun.sleep(5)
		}
	}
	const clients = Array.from({ length: CLIENTS }, (_, i) => client(i % 2 === 0))
	// A server knows who watches it after three looks.
	await Bun.sleep(LOOKS_MS)
	const end = performance.now() + RESTARTS_MS_MAX
	for (; restarts < count && performance.now() < end; restarts++) {
		const index = restarts % REPLICAS
		const old = replicas[index]!
		await old.stop()
		replicas[index] = await startReplica(index, old.server.port)
		await Bun.sleep(NOTICE_MS)
	}
	isOver = true
	await Promise.all(clients)
	await stopAll(replicas)
	return { requests, restarts, failures }
}

export function rollingRestarts(name: ProxyName): Goal {
	return {
		id: `restarts-${name}`,
		goal: `${RESTARTS} restarts of one of ${REPLICAS} replicas behind ${name}: no failed request, no cut stream`,
		async measure(scale) {
			if (missingNote(name) !== '') return null
			const count = Math.max(2, Math.round(RESTARTS * scale))
			const { requests, restarts, failures } = await restartsBehind(name, count)
			const first = failures[0] === undefined ? '' : ` (${failures[0].slice(0, 200)})`
			return {
				measured: `${restarts} restarts, ${failures.length} of ${requests} failed${first}`,
				isMet: failures.length === 0 && restarts === count,
			}
		},
	}
}
