/** How a proxy spreads streams that all run at the same time. */
import type { Goal } from '../faults/goals/goal.ts'
import { missingNote, type ProxyName, startProxy } from './proxies.ts'
import { portsOf, startReplicas, stopAll } from './replicas.ts'
import { Stream } from './stream.ts'

const REPLICAS = 8
const STREAMS_EACH = 10
/** So long that none has ended when all have begun. */
const TOKENS = 2048
const CHOICES = 8
/** Of the mean. */
const DEVIATION_MAX = 0.1

/** Streams that each replica has, ascending. */
async function spreadBehind(name: ProxyName): Promise<readonly number[]> {
	const replicas = await startReplicas(REPLICAS)
	await using proxy = await startProxy(name, portsOf(replicas))
	const streams = Array.from({ length: REPLICAS * STREAMS_EACH }, () => {
		return new Stream(proxy.port, TOKENS, { n: CHOICES })
	})
	const owners = await Promise.all(streams.map(({ begun }) => begun))
	for (const stream of streams) stream.leave()
	await stopAll(replicas)
	const counts = replicas.map(({ name: owner }) => owners.filter((each) => each === owner).length)
	return counts.sort((a, b) => a - b)
}

export function spread(name: ProxyName): Goal {
	return {
		id: `spread-${name}`,
		goal: `${REPLICAS} replicas behind ${name} have as many streams each, ± ${DEVIATION_MAX * 100} %`,
		async measure() {
			if (missingNote(name) !== '') return null
			const counts = await spreadBehind(name)
			const [fewest = 0, most = 0] = [counts[0], counts.at(-1)]
			const allowed = STREAMS_EACH * DEVIATION_MAX
			return {
				measured: `${fewest} to ${most} where the mean is ${STREAMS_EACH}`,
				isMet: fewest >= STREAMS_EACH - allowed && most <= STREAMS_EACH + allowed,
			}
		},
	}
}
