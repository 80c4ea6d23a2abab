/** The built server over HTTP with SSE: throughput, gaps between tokens, time to the first one. */
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts'
import {
	type Bench,
	checkpointPath,
	loadModel,
	type ModelName,
	runsDirectory,
	servedName,
} from './bench-context.ts'
import { BenchRunner } from './bench-runner.ts'
import type { ClientResult, ClientTask } from './http-client.ts'
import { peakFlops } from './machine-limits.ts'
import { multipliedParameters } from './reference-models.ts'
import type { Goal } from './report.ts'
import { startServer } from './server-process.ts'
import { quantile } from './statistics.ts'
import { TaskProcess } from './task-process.ts'

const STREAM_COUNTS = [1, 8, 32, 128] as const
/** Tokens of a stream: many where they are cheap, few where they are not. */
const STREAM_TOKENS = { S: 200, embedded: 200, M: 128, L: 16 } as const

const PROMPT_TOKENS = 64
/** Streams beside which a first token is waited for. */
const LOAD_STREAMS = 32

const ENGINE_RATIO_GOAL: Goal = { of: 'value', bound: 'min', limit: 0.9 }
const PEAK_SHARE_GOAL: Goal = { of: 'share', bound: 'min', limit: 0.6 }
const FIRST_TOKEN_GOAL: Goal = { of: 'value', bound: 'max', limit: 1.5 }

interface Subject {
	readonly name: ModelName
	/** The same model in this process, to compare with. */
	readonly runner: BenchRunner
	readonly tokenizer: Tokenizer
	/** Runs a task of the clients against the server. */
	readonly ask: (task: {
		readonly streams: number
		readonly probes: readonly string[]
	}) => Promise<ClientResult>
}

export async function measureHttp(bench: Bench): Promise<void> {
	const names: readonly ModelName[] = bench.isQuick ? ['S'] : ['S', 'embedded', 'M', 'L']
	for (const name of names) await checkpointPath(bench, name)
	await using server = await startServer({
		checkpoints: runsDirectory(bench),
		threads: bench.threads,
	})
	using client = new TaskProcess<ClientTask, ClientResult>('http-client.ts')
	for (const name of names) {
		const model = await loadModel(bench, name, 'f32')
		const target = { port: server.port, model: servedName(name), maxTokens: STREAM_TOKENS[name] }
		const subject: Subject = {
			name,
			runner: new BenchRunner(bench.kernels, model),
			tokenizer: createTokenizer(model.tokenizerSpec),
			ask: (task) => client.run({ ...target, ...task }),
		}
		// The first request loads the model.
		await subject.ask({ streams: 1, probes: [] })
		for (const streams of STREAM_COUNTS) await measureStreams(bench, subject, streams)
		await measureFirstToken(bench, subject)
	}
}

async function measureStreams(bench: Bench, subject: Subject, streams: number): Promise<void> {
	const { name, runner, ask } = subject
	const { layers, head } = multipliedParameters(runner)
	const engineSpeeds: number[] = []
	const peaks: number[] = []
	const results: ClientResult[] = []
	for (let round = 0; round < bench.rounds; round++) {
		const steps = STREAM_TOKENS[name]
		if (streams === 1) engineSpeeds.push(steps / runner.decode(1, steps))
		peaks.push(peakFlops(bench.kernels, bench.sampleSeconds / 2))
		results.push(await ask({ streams, probes: [] }))
	}
	const speeds = results.map(({ tokens, seconds }) => tokens / seconds)
	const streamsText = streams === 1 ? '1 stream' : `${streams} streams`
	const add = (
		figure: string,
		unit: string,
		samples: readonly number[],
		goal: Goal | null = null,
	) => bench.report.add({ subject: name, name: figure, unit, samples, goal })
	if (streams === 1) {
		const ratios = speeds.map((speed, round) => speed / engineSpeeds[round]!)
		add('HTTP, 1 stream', 'tok/s', speeds)
		add('HTTP, 1 stream, against the engine alone', '×', ratios, ENGINE_RATIO_GOAL)
	} else {
		bench.report.add({
			subject: name,
			name: `HTTP, ${streamsText}`,
			unit: 'tok/s',
			samples: speeds,
			shares: speeds.map((speed, round) => (speed * 2 * (layers + head)) / peaks[round]!),
			goal: name === 'S' && streams === 32 ? PEAK_SHARE_GOAL : null,
		})
	}
	add(
		`gap between tokens, ${streamsText}, p50`,
		'ms',
		results.map(({ gapP50 }) => gapP50),
	)
	add(
		`gap between tokens, ${streamsText}, p99`,
		'ms',
		results.map(({ gapP99 }) => gapP99),
	)
}

async function measureFirstToken(bench: Bench, subject: Subject): Promise<void> {
	const { name, runner, ask } = subject
	const probeCount = bench.isQuick ? 10 : 25
	const computeMs: number[] = []
	const idle: number[] = []
	const loaded: number[] = []
	for (let round = 0; round < bench.rounds; round++) {
		computeMs.push(runner.prefill(PROMPT_TOKENS) * 1000)
		const probes = () => Array.from({ length: probeCount }, () => randomPrompt(subject))
		idle.push(...(await ask({ streams: 0, probes: probes() })).firstTokenMs)
		loaded.push(...(await ask({ streams: LOAD_STREAMS, probes: probes() })).firstTokenMs)
	}
	const add = (figure: string, value: number, goal: Goal | null = null) =>
		bench.report.add({ subject: name, name: figure, unit: 'ms', samples: [value], goal })
	add('first token, idle server, p50', quantile(idle, 0.5))
	add('first token, idle server, p99', quantile(idle, 0.99))
	const goal = name === 'S' ? FIRST_TOKEN_GOAL : null
	add('of which not compute, p50', quantile(idle, 0.5) - quantile(computeMs, 0.5), goal)
	add(`first token beside ${LOAD_STREAMS} streams, p50`, quantile(loaded, 0.5))
	add(`first token beside ${LOAD_STREAMS} streams, p99`, quantile(loaded, 0.99))
}

/** A prompt of 64 tokens that nobody has sent before: nothing of it is in the prefix cache. */
function randomPrompt({ runner, tokenizer }: Subject): string {
	// Pieces may join to other tokens than they came from: make more than needed, then cut.
	const text = tokenizer.decode(runner.randomTokens(PROMPT_TOKENS * 2))
	return tokenizer.decode(tokenizer.encode(text).slice(0, PROMPT_TOKENS))
}
