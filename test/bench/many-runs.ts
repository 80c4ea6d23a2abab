/** What thousands of runs in the directory cost: until the newest one answers, and while nobody asks. */
import { copyFileSync, mkdirSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { processorMs } from '../helpers/processor-time.ts'
import type { Bench } from './bench-context.ts'
import { writeRun } from './checkpoint-writer.ts'
import { referenceModel } from './reference-models.ts'
import type { Goal } from './report.ts'
import { startServer } from './server-process.ts'

const COUNTS = [2000, 10_000]
const STARTS = 5

/** Idling is watched for so long, once the server has come to rest. */
const IDLE_MS = 10_000
const REST_MS_MAX = 120_000
/** At rest means less than this in a second, milliseconds. */
const RESTING_MS = 30

const INDEX_NAME = '.inspections.json'

const FIRST_TOKEN_GOAL: Goal = { of: 'value', bound: 'max', limit: 300 }
const IDLE_GOAL: Goal = { of: 'value', bound: 'max', limit: 1 }

export async function measureManyRuns(bench: Bench): Promise<void> {
	for (const count of bench.isQuick ? COUNTS.slice(0, 1) : COUNTS) await measureRuns(bench, count)
}

async function measureRuns(bench: Bench, count: number): Promise<void> {
	const directory = join(bench.directory, `runs-${count}`)
	const newest = writeRuns(directory, count)
	const add = (name: string, unit: string, samples: readonly number[], goal: Goal | null = null) =>
		bench.report.add({ subject: `${count.toLocaleString('en')} runs`, name, unit, samples, goal })

	const unknown = await start(bench, directory, newest)
	add('first start: listening', 'ms', [unknown.listeningMs])
	add('first start: first token of the newest', 'ms', [unknown.firstTokenMs], FIRST_TOKEN_GOAL)
	add('first start: every file inspected', 's', [unknown.restMs / 1000])
	add('first start: idle', '% of a core', [unknown.idleShare], IDLE_GOAL)

	const known: Start[] = []
	for (let i = 0; i < (bench.isQuick ? 2 : STARTS); i++)
		known.push(await start(bench, directory, newest))
	const each = (value: (start: Start) => number) => known.map(value)
	add(
		'next starts: listening',
		'ms',
		each(({ listeningMs }) => listeningMs),
	)
	add(
		'next starts: first token',
		'ms',
		each(({ firstTokenMs }) => firstTokenMs),
		FIRST_TOKEN_GOAL,
	)
	add(
		'next starts: at rest',
		's',
		each(({ restMs }) => restMs / 1000),
	)
	add(
		'next starts: idle',
		'% of a core',
		each(({ idleShare }) => idleShare),
		IDLE_GOAL,
	)

	// Where a file cannot be written, because a directory has its name.
	rmSync(join(directory, INDEX_NAME), { force: true })
	mkdirSync(join(directory, INDEX_NAME))
	const unwritable = await start(bench, directory, newest)
	add('index not writable: first token', 'ms', [unwritable.firstTokenMs], FIRST_TOKEN_GOAL)
	add('index not writable: idle', '% of a core', [unwritable.idleShare], IDLE_GOAL)
	rmSync(directory, { recursive: true })
}

/** One file again and again, each run a second younger than the one before; returns the last name. */
function writeRuns(directory: string, count: number): string {
	const shape = { vocabSize: 100, blockSize: 32, nLayer: 1, nEmbd: 16, nHead: 2 }
	const first = writeRun(directory, referenceModel('run-0', shape))
	const now = Date.now() / 1000
	for (let i = 1; i < count; i++) {
		const run = join(directory, `run-${i}`)
		mkdirSync(run)
		copyFileSync(join(directory, 'run-0/config.json'), join(run, 'config.json'))
		const path = join(run, 'checkpoint-1.json')
		copyFileSync(first, path)
		utimesSync(path, now - 2 * count + i, now - 2 * count + i)
	}
	utimesSync(first, now - 3 * count, now - 3 * count)
	return `run-${count - 1}`
}

interface Start {
	readonly listeningMs: number
	readonly firstTokenMs: number
	/** Until it was at rest. */
	readonly restMs: number
	/** Percent of a core while nobody asks. */
	readonly idleShare: number
}

async function start(bench: Bench, directory: string, newest: string): Promise<Start> {
	const startedAt = performance.now()
	await using server = await startServer(bench, directory)
	const listeningMs = performance.now() - startedAt
	const response = await fetch(`http://127.0.0.1:${server.port}/v1/completions`, {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify({ prompt: 'a', max_tokens: 1 }),
	})
	const answer = (await response.json()) as { readonly model?: string }
	const firstTokenMs = performance.now() - startedAt
	if (answer.model !== newest) {
		throw new Error(`expected an answer of ${newest}, got ${response.status} ${answer.model}`)
	}
	for (let busyMs = RESTING_MS; busyMs >= RESTING_MS; ) {
		if (performance.now() - startedAt > REST_MS_MAX) break
		const before = processorMs(server.pid)
		await Bun.sleep(1000)
		busyMs = processorMs(server.pid) - before
	}
	const restMs = performance.now() - startedAt
	// What was found is written down a few seconds later.
	await Bun.sleep(IDLE_MS)
	const before = processorMs(server.pid)
	await Bun.sleep(IDLE_MS)
	const idleShare = ((processorMs(server.pid) - before) / IDLE_MS) * 100
	return { listeningMs, firstTokenMs, restMs, idleShare }
}
