/*
 * Streams of text beside trainers: do those who report slow down those who read? Bounded in time; prints
 * its figures. `bun test/faults/load.ts [seconds]` (default 5 for each round), against dist/alpha.
 *
 * 8 streams alone and beside 50 trainers that report every step, one whose batches have 10 MB, and one
 * with a wrong secret that asks again without pause; in turns, because machines have moods. The trainers run
 * on the same machine and take their share of it; so there is a third turn, in which they report to a process
 * that only reads and answers. What is lost beyond that is the price of our taking the reports. At last the
 * trainers alone: what a report costs the server, and what it costs whoever sends it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startAlpha, uploadSecret } from '../helpers/alpha-server.ts'

const STREAMS = 8
const TRAINERS = 50
/** Between two steps of a trainer, milliseconds. */
const STEP_MS = 250
const LARGE_BATCH_BYTES = 10_000_000
/** Between two large batches: as many as a trainer of 5,000 traced steps sends. */
const LARGE_BATCH_MS = 10_000

interface Load {
	/** Tokens a second, all streams together. */
	readonly rate: number
	/** Longest time between two tokens of a stream, milliseconds. */
	readonly longestGapMs: number
}

const ROUNDS = 4

/** Of /proc; the same on every Linux that we run on. */
const TICKS_PER_SECOND = 100

const [seconds = '5'] = process.argv.slice(2)
const phaseMs = Number(seconds) * 1000

await using server = await startAlpha({ runs: [] })
await using sink = await startSink()

/** A process that answers reports as the server does and keeps nothing of them. */
async function startSink(): Promise<AsyncDisposable & { readonly url: string }> {
	const script = join(import.meta.dir, 'report-sink.ts')
	const child = Bun.spawn([process.execPath, script], {
		stdout: 'pipe',
		stdin: 'ignore',
		env: { ...process.env, UPLOAD_SECRET: uploadSecret },
	})
	const { value } = await child.stdout.getReader().read()
	return {
		url: new TextDecoder().decode(value).trim(),
		async [Symbol.asyncDispose]() {
			child.kill()
			await child.exited
		},
	}
}

/** Streams one text after another until the time is over. */
async function stream(until: number): Promise<Load> {
	let tokens = 0
	let longestGapMs = 0
	while (performance.now() < until) {
		const response = await fetch(`${server.url}/api/inference?query=She&steps=500`)
		let last = performance.now()
		for await (const bytes of response.body ?? []) {
			const now = performance.now()
			if (tokens > 0) longestGapMs = Math.max(longestGapMs, now - last)
			last = now
			tokens += new TextDecoder().decode(bytes).split('data: ').length - 1
			if (now > until) break
		}
	}
	return { rate: tokens / (phaseMs / 1000), longestGapMs }
}

async function streams(): Promise<Load> {
	const until = performance.now() + phaseMs
	const all = await Promise.all(Array.from({ length: STREAMS }, () => stream(until)))
	return {
		rate: all.reduce((sum, { rate }) => sum + rate, 0),
		longestGapMs: Math.max(...all.map(({ longestGapMs }) => longestGapMs)),
	}
}

const counts = { reports: 0, failures: 0, largeBatches: 0, refusals: 0 }
let isOver = false
/** Who is reported to. */
let target = server.url

async function post(body: string, secret: string): Promise<number> {
	const headers = { 'content-type': 'application/json', authorization: `Bearer ${secret}` }
	const answer = await fetch(`${target}/api/ingest`, { method: 'POST', headers, body })
	await answer.body?.cancel()
	return answer.status
}

function point(step: number, width = 0) {
	const trace = width === 0 ? {} : { trace: 'x'.repeat(width) }
	return {
		step,
		loss: 4 + 1 / step,
		lr: 0.0003,
		gradNorm: 1,
		tokens_per_sec: 900,
		ms_per_iter: 250,
		...trace,
	}
}

async function trainer(runId: string): Promise<void> {
	for (let step = 1; !isOver; step++) {
		const status = await post(
			JSON.stringify({ type: 'metrics', runId, metrics: [point(step)] }),
			uploadSecret,
		)
		counts.reports++
		if (status !== 200) counts.failures++
		await Bun.sleep(STEP_MS)
	}
}

async function postLargeBatch(runId: string, batch: number): Promise<void> {
	const steps = 5000
	const points = Array.from({ length: steps }, (_, i) =>
		point(batch * steps + i + 1, LARGE_BATCH_BYTES / steps - 120),
	)
	const body = JSON.stringify({ type: 'metrics', runId, metrics: points })
	if ((await post(body, uploadSecret)) !== 200) counts.failures++
	counts.largeBatches++
}

async function largeTrainer(runId: string): Promise<void> {
	for (let batch = 0; !isOver; batch++) {
		await postLargeBatch(runId, batch)
		for (let waited = 0; waited < LARGE_BATCH_MS && !isOver; waited += STEP_MS)
			await Bun.sleep(STEP_MS)
	}
}

async function endlessLoop(): Promise<void> {
	while (!isOver) {
		await post(JSON.stringify({ type: 'metrics', runId: 'x', metrics: [point(1)] }), 'wrong')
		counts.refusals++
	}
}

/** Processor time of the server so far, seconds. */
function serverSeconds(): number {
	const stat = readFileSync(`/proc/${server.pid}/stat`, 'utf8')
	// The name of the program stands in brackets and may hold blanks.
	const [utime, stime] = stat
		.slice(stat.lastIndexOf(')') + 2)
		.split(' ')
		.slice(11, 13)
	return (Number(utime) + Number(stime)) / TICKS_PER_SECOND
}

/** Processor time of a report of one step, milliseconds, and of one of 10 MB. */
async function reportCosts(): Promise<string> {
	isOver = false
	const before = { ...counts, server: serverSeconds(), client: process.cpuUsage() }
	const reporting = Array.from({ length: TRAINERS }, (_, i) => trainer(`cost ${i}`))
	await Bun.sleep(phaseMs)
	isOver = true
	await Promise.all(reporting)
	const reports = counts.reports - before.reports
	const server = ((serverSeconds() - before.server) * 1000) / reports
	const { user, system } = process.cpuUsage(before.client)
	const client = (user + system) / 1000 / reports
	return (
		`a report of one step: ${server.toFixed(2)} ms of the server's processor time, ` +
		`${client.toFixed(2)} ms of the client's (${reports} reports)`
	)
}

async function largeBatchCosts(): Promise<string> {
	const before = serverSeconds()
	const batches = 5
	for (let batch = 0; batch < batches; batch++) await postLargeBatch('large cost', batch)
	const milliseconds = ((serverSeconds() - before) * 1000) / batches
	return `one of 10 MB: ${milliseconds.toFixed(0)} ms`
}

async function residentBytes(): Promise<number> {
	const status = await Bun.file(`/proc/${server.pid}/status`).text()
	return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`

/** Bytes of the log that are not of the streams' own requests. */
function logBytes(): number {
	const lines = server.log().split('\n')
	return lines.filter((line) => !line.includes('/api/inference')).join('\n').length
}

function median(values: readonly number[]): number {
	return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

// Caches and compilers are warm from here on.
await streams()
const memoryBefore = await residentBytes()
const logBefore = logBytes()
const alone: Load[] = []
const besideSink: Load[] = []
const beside: Load[] = []
let reportingSeconds = 0

/** Streams while trainers report. */
async function streamsBeside(url: string, round: number): Promise<Load> {
	target = url
	isOver = false
	const reporting = [
		...Array.from({ length: TRAINERS }, (_, i) => trainer(`run ${round} ${i}`)),
		largeTrainer(`large ${round}`),
		endlessLoop(),
	]
	const load = await streams()
	isOver = true
	await Promise.all(reporting)
	return load
}

for (let round = 0; round < ROUNDS; round++) {
	alone.push(await streams())
	const before = { ...counts }
	besideSink.push(await streamsBeside(sink.url, round))
	Object.assign(counts, before)
	const startedAt = performance.now()
	beside.push(await streamsBeside(server.url, round))
	reportingSeconds += (performance.now() - startedAt) / 1000
}

const rates = (loads: readonly Load[]) => loads.map(({ rate }) => rate)
/** The middle of what single rounds lost: the turns of one round are near each other in time. */
function loss(from: readonly Load[], to: readonly Load[]): string {
	const changes = from.map(({ rate }, round) => (to[round]?.rate ?? 0) / rate - 1)
	return `${(median(changes) * 100).toFixed(1)} %`
}
const gap = (loads: readonly Load[]) =>
	median(loads.map(({ longestGapMs }) => longestGapMs)).toFixed(0)
const list = (values: readonly number[]) => values.map((value) => value.toFixed(0)).join(' ')
const perSecond = (count: number) => (count / reportingSeconds).toFixed(1)
console.log(`alone: ${list(rates(alone))} tokens/s, longest gap ${gap(alone)} ms`)
console.log(
	`beside trainers of a sink: ${list(rates(besideSink))} tokens/s, longest gap ${gap(besideSink)} ms`,
)
console.log(`beside our trainers: ${list(rates(beside))} tokens/s, longest gap ${gap(beside)} ms`)
console.log(
	`change: ${loss(alone, beside)} in all, ${loss(alone, besideSink)} by trainers and a bare answer, ` +
		`${loss(besideSink, beside)} by what we do with reports`,
)
console.log(
	`${counts.reports} reports (${perSecond(counts.reports)} a second), ${counts.largeBatches} of 10 MB, ` +
		`${counts.failures} failed; ${counts.refusals} refusals (${perSecond(counts.refusals)} a second)`,
)
const logPerHour = ((logBytes() - logBefore) / reportingSeconds) * 3600
console.log(
	`memory ${megabytes(memoryBefore)} before, ${megabytes(await residentBytes())} after; ` +
		`log ${megabytes(logPerHour)} an hour`,
)
console.log(await reportCosts())
console.log(await largeBatchCosts())
