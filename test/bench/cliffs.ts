/** Streams far beyond the context's length beside streams within it, by turns on one server. */
import {
	type Bench,
	checkpointPath,
	type ModelName,
	runsDirectory,
	servedName,
} from './bench-context.ts'
import type { ClientResult, ClientTask } from './http-client.ts'
import type { Goal } from './report.ts'
import { measureRolledSteps } from './rolled-steps.ts'
import { startServer } from './server-process.ts'
import { TaskProcess } from './task-process.ts'

const MODELS: readonly ModelName[] = ['S', 'embedded']
/** Within the context of 256 tokens, and four times as many: the window rolls seven times. */
const SHORT_TOKENS = 128
const LONG_TOKENS = 1024
/**
 * Streams at the same time, and how long any of them may pause, milliseconds. One client gets 120 of 128 places at
 * most, and would wait longer than the queue allows for the others.
 */
const PAUSE_MAX_MS = { 8: 25, 32: 25, 120: 60 } as const
const WARM_UP_RUNS = 3
/** Samples of each figure, which are long ones. */
const ROUNDS = 3

const SPEED_GOAL: Goal = { of: 'value', bound: 'min', limit: 0.75 }

export async function measureCliffs(bench: Bench): Promise<void> {
	const names = bench.isQuick ? MODELS.slice(0, 1) : MODELS
	for (const name of names) checkpointPath(bench, name)
	for (const name of names) await measureRolledSteps(bench, name)
	await using server = await startServer(bench, runsDirectory(bench))
	using client = new TaskProcess<ClientTask, ClientResult>('http-client.ts')
	for (const name of names) {
		const target = { port: server.port, model: servedName(name), probes: [] }
		const ask = async (streams: number, maxTokens: number) => {
			const { tokens, seconds, gapMax } = await client.run({ ...target, streams, maxTokens })
			return { speed: tokens / seconds, gapMax }
		}
		for (let run = 0; run < WARM_UP_RUNS; run++) await ask(8, LONG_TOKENS)
		for (const [count, pauseMax] of Object.entries(PAUSE_MAX_MS)) {
			const streams = Number(count)
			// Memory of keys and values is used for the first time here.
			await ask(streams, LONG_TOKENS)
			const speeds: number[] = []
			const ratios: number[] = []
			const pauses: number[] = []
			for (let round = 0; round < ROUNDS; round++) {
				const short = await ask(streams, SHORT_TOKENS)
				const long = await ask(streams, LONG_TOKENS)
				speeds.push(long.speed)
				ratios.push(long.speed / short.speed)
				pauses.push(long.gapMax)
			}
			const add = (figure: string, unit: string, samples: number[], goal: Goal | null) => {
				const text = `${streams} streams of ${LONG_TOKENS} tokens${figure}`
				bench.report.add({ subject: name, name: text, unit, samples, goal })
			}
			add('', 'tok/s', speeds, null)
			add(`, against ${SHORT_TOKENS}`, '×', ratios, SPEED_GOAL)
			add(', longest pause', 'ms', pauses, { of: 'value', bound: 'max', limit: pauseMax })
		}
	}
}
