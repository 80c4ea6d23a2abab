/* The life of a pod as a kubelet and a service make it, with a process instead of a container. */
import { type AlphaServer, startAlpha } from '../helpers/alpha-server.ts'
import { type Probe, parseManifests, podOf, settingsOf } from './manifests.ts'

/** How long services of a cluster may go on sending requests to a pod that ends. */
const FORGET_SECONDS = 3
const CLIENTS = 4

async function passes(
	{ url }: AlphaServer,
	{ httpGet, timeoutSeconds = 1 }: Probe,
): Promise<boolean> {
	const signal = AbortSignal.timeout(timeoutSeconds * 1000)
	const answer = await fetch(`${url}${httpGet.path}`, { signal }).catch(() => null)
	return answer?.ok === true
}

/** Asks until the probe passes; its failures. Throws when they are too many. */
async function failuresUntilPassed(server: AlphaServer, probe: Probe): Promise<number> {
	for (let failures = 0; failures < probe.failureThreshold; failures++) {
		if (await passes(server, probe)) return failures
		await Bun.sleep(probe.periodSeconds * 1000)
	}
	throw new Error(`${probe.httpGet.path} failed ${probe.failureThreshold} times`)
}

/** Starts the executable with the settings of the manifests, probes it, sends it requests, and ends it while they go on. Throws when one is lost. */
export async function livePod(text: string): Promise<string> {
	const manifests = parseManifests(text)
	const { terminationGracePeriodSeconds, containers } = podOf(manifests)
	const { startupProbe, readinessProbe, livenessProbe } = containers[0]
	// Only what a machine without containers cannot give.
	const { CHECKPOINTS_DIR: _, ALPHA_CHECKPOINT_CACHE: __, ...env } = settingsOf(manifests)
	const drains = [`--drain-seconds=${env['ALPHA_DRAIN_SECONDS']}`, '--threads=1']
	const server = await startAlpha({ args: ['--host=127.0.0.1', ...drains], env })
	const startFailures = await failuresUntilPassed(server, startupProbe)
	await failuresUntilPassed(server, readinessProbe)

	let isRouted = true
	let requests = 0
	const lost: string[] = []
	const ask = async () => {
		const body = { prompt: 'a', max_tokens: 300, ignore_eos: true, stream: true }
		const answer = await fetch(`${server.url}/v1/completions`, {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify(body),
		})
		const events = await answer.text()
		requests++
		if (!events.endsWith('data: [DONE]\n\n')) lost.push(`${answer.status} ${events.slice(-300)}`)
	}
	const client = async () => {
		while (isRouted) await ask().catch((error: unknown) => lost.push(String(error)))
	}
	const clients = Array.from({ length: CLIENTS }, client)
	await Bun.sleep(1000)
	const endsAt = performance.now()
	const ended = server.stop()
	await Bun.sleep(500)
	const isReady = await passes(server, readinessProbe)
	const isAlive = await passes(server, livenessProbe)
	await Bun.sleep(FORGET_SECONDS * 1000 - 500)
	isRouted = false
	await Promise.all(clients)
	const status = await ended
	const seconds = (performance.now() - endsAt) / 1000
	if (lost.length > 0)
		throw new Error(`${lost.length} of ${requests} requests were lost: ${lost[0]}`)
	if (isReady) throw new Error('it was ready after SIGTERM')
	if (!isAlive) throw new Error('it was taken for dead while it ended')
	if (status !== 0) throw new Error(`it ended with ${status}`)
	if (seconds > terminationGracePeriodSeconds) throw new Error(`it took ${seconds} s to end`)
	return `started after ${startFailures} failed probes, 0 of ${requests} streams lost, ended after ${seconds.toFixed(1)} s of ${terminationGracePeriodSeconds}`
}
