/*
 * Memory of a server: at rest, beside 128 streams, a minute later, and over as many small requests as fit
 * in the time. Prints its figures. `bun test/faults/memory.ts [seconds] [requests a second]` (default 120 s of
 * small requests without a pause, and two minutes for the rest), against dist/alpha. What an hour of load
 * leaves is seen with `1500 200`: its end beside the tenth minute.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeRun } from '../bench/checkpoint-writer.ts'
import { REFERENCE_MODELS } from '../bench/reference-models.ts'
import { startAlpha } from '../helpers/alpha-server.ts'
import { ask, completion } from './goals/traffic.ts'

const STREAMS = 128
const STREAM_TOKENS = 200
const STREAMS_MS_MAX = 240_000
const IDLE_MS = 60_000
const REST_MS = 5000
/** Small requests under way at the same time. */
const AT_ONCE = 8
const SAMPLE_MS = 1000
/** Ten minutes. */
const SETTLED_SAMPLES = 600

const [seconds = '120', perSecond = 'Infinity'] = process.argv.slice(2)

// A share of the places is kept for clients that hold none.
const args = [`--sequences-max=${STREAMS + 16}`]
const checkpoints = mkdtempSync(join(tmpdir(), 'alpha-test-'))
process.on('exit', () => rmSync(checkpoints, { recursive: true }))
writeRun(checkpoints, REFERENCE_MODELS.S)
await using server = await startAlpha({ runs: [], env: { CHECKPOINTS_DIR: checkpoints }, args })

/** Memory of the server that is in the machine's, MB. */
function resident(): number {
	const status = readFileSync(`/proc/${server.pid}/status`, 'utf8')
	return (Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024) / 1e6
}

async function complete(body: object): Promise<void> {
	const response = await fetch(`${server.url}/v1/completions`, {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify({ prompt: 'a', ignore_eos: true, ...body }),
	})
	await response.arrayBuffer()
	if (!response.ok) throw new Error(`a completion got ${response.status}`)
}

function row(name: string, measured: number, limit: number): void {
	const verdict = measured <= limit ? 'met' : 'missed'
	console.log(`${name}: ${measured.toFixed(0)} MB, at most ${limit} MB wanted: ${verdict}`)
}

await complete({ max_tokens: 8 })
await Bun.sleep(REST_MS)
row('at rest, S loaded', resident(), 90)

let highest = 0
const watching = setInterval(() => {
	highest = Math.max(highest, resident())
}, 50)
const streams = Array.from({ length: STREAMS }, (_, seed) =>
	// From eight addresses: no client alone gets all places.
	ask(server, {
		...completion(STREAM_TOKENS, { prompt: `a b ${seed}`, stream: true, seed }),
		from: `127.0.0.${(seed % 8) + 2}`,
		timeoutMs: STREAMS_MS_MAX,
	}),
)
const statuses = (await Promise.all(streams)).map(({ status }) => status)
if (statuses.some((status) => status !== 200)) throw new Error(`streams got ${statuses.join()}`)
clearInterval(watching)
row(`beside ${STREAMS} streams`, highest, 250)
await Bun.sleep(IDLE_MS)
row('a minute later', resident(), 130)

let requests = 0
const kinds: readonly (() => Promise<unknown>)[] = [
	() => fetch(`${server.url}/health`).then((response) => response.text()),
	() => fetch(`${server.url}/v1/models`).then((response) => response.text()),
	() => complete({ max_tokens: 1 }),
	() => fetch(`${server.url}/nowhere`).then((response) => response.text()),
	() => fetch(`${server.url}/v1/completions`, { method: 'POST', body: '{}' }).then((r) => r.text()),
]
const until = performance.now() + Number(seconds) * 1000
const samples: { readonly requests: number; readonly megabytes: number }[] = []
const sampling = setInterval(() => samples.push({ requests, megabytes: resident() }), SAMPLE_MS)
await Promise.all(
	Array.from({ length: AT_ONCE }, async () => {
		while (performance.now() < until) {
			const next = performance.now() + (AT_ONCE / Number(perSecond)) * 1000
			await kinds[requests++ % kinds.length]?.()
			await Bun.sleep(Math.max(0, next - performance.now()))
		}
	}),
)
clearInterval(sampling)

const middle = samples[Math.floor(samples.length / 2)] ?? { requests: 0, megabytes: 0 }
/** Of the last tenth before a sample, which garbage makes jump. */
const settled = (end: number) => {
	const part = samples.slice(Math.max(0, end - Math.ceil(samples.length / 10)), end)
	return Math.min(...part.map(({ megabytes }) => megabytes))
}
const growth = settled(samples.length) - settled(Math.ceil(samples.length / 2))
const perRequest = (growth * 1000) / Math.max(1, requests - middle.requests)
console.log(
	`${requests} small requests: ${samples.map(({ megabytes }) => megabytes.toFixed(0)).join(' ')} MB`,
)
console.log(`second half: ${perRequest.toFixed(3)} kB a request`)
/** The first are spent on code that is compiled and on heaps that find their size. */
const settledAfter = Math.min(SETTLED_SAMPLES, Math.ceil(samples.length / 2))
const growthShare = settled(samples.length) / settled(settledAfter)
const verdict = growthShare <= 1.05 ? 'met' : 'missed'
const minutes = ((settledAfter * SAMPLE_MS) / 60_000).toFixed(0)
console.log(
	`at the end ${growthShare.toFixed(3)} × minute ${minutes}, at most 1.05 wanted: ${verdict}`,
)
await Bun.sleep(IDLE_MS)
row('a minute later', resident(), 130)
