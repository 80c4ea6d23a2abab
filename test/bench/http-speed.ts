/** The built server over HTTP with SSE: throughput, gaps between tokens, time to the first one. */
import { availableParallelism } from 'node:os'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts'
import { processorMs } from '../helpers/processor-time.ts'
import {
	type Bench,
	checkpointPath,
	loadModel,
	type ModelName,
	runsDirectory,
	servedName,
} from './bench-context.ts'
import { BenchRunner, DECODE_TOKENS } from './bench-runner.ts'
import type { ClientResult, ClientTask } from './http-client.ts'
import { peakFlops, readBandwidth, type WeightRegion, weightRegion } from './machine-limits.ts'
import { multipliedParameters } from './reference-models.ts'
import type { Goal } from './report.ts'
import { startServer } from './server-process.ts'
import { meanUntil, quantile } from './statistics.ts'
import { TaskProcess } from './task-process.ts'

const STREAM_COUNTS = [8, 32, 128] as const
/** Tokens of a stream: as many as make a sample of this length, in these bounds. */
const SAMPLE_SECONDS = 0.8
/** Of texts of one stream, one after another. */
const SINGLE_SECONDS = 0.4
const STREAM_TOKENS_MIN = 16
const STREAM_TOKENS_MAX = DECODE_TOKENS
/** Streams before those that count: until the server's code, and the clients', has been compiled. */
const WARM_UP_STREAMS = [8, 1] as const
const WARM_UP_SECONDS = 3
/** Requests per round for a time to first token. */
const PROBES = { S: 25, embedded: 25, M: 10, L: 4 } as const
const PROBES_QUICK = 10

const PROMPT_TOKENS = 64
/** Streams beside which a first token is waited for. */
const LOAD_STREAMS = 32

const ENGINE_RATIO_GOAL: Goal = { of: 'value', bound: 'min', limit: 0.92 }
const PEAK_SHARE_GOAL: Goal = { of: 'share', bound: 'min', limit: 0.6 }
const FIRST_TOKEN_GOAL: Goal = { of: 'value', bound: 'max', limit: 1.5 }
/** Of quick models beside LOAD_STREAMS, 99th percentiles: gaps between tokens and first tokens. */
const GAP_GOAL: Goal = { of: 'value', bound: 'max', limit: 12 }
const LOADED_FIRST_TOKEN_GOAL: Goal = { of: 'value', bound: 'max', limit: 20 }
const TOP_P_GOAL: Goal = { of: 'value', bound: 'min', limit: 0.95 }
const QUICK_MODELS: readonly ModelName[] = ['S', 'embedded']

interface Subject {
	readonly name: ModelName
	/** The same model in this process, to compare with. */
	readonly runner: BenchRunner
	readonly tokenizer: Tokenizer
	readonly region: WeightRegion
	/** Process of the server. */
	readonly pid: number
	/** Runs a task of the clients against the server. */
	readonly ask: (task: Omit<ClientTask, 'port' | 'model'>) => Promise<ClientResult>
}

export async function measureHttp(bench: Bench): Promise<void> {
	const names: readonly ModelName[] = bench.isQuick ? ['S'] : ['S', 'embedded', 'M', 'L']
	for (const name of names) checkpointPath(bench, name)
	await using server = await startServer(bench, runsDirectory(bench))
	using client = new TaskProcess<ClientTask, ClientResult>('http-client.ts')
	for (const name of names) {
		const model = loadModel(bench, name, 'f32')
		const target = { port: server.port, model: servedName(name) }
		const subject: Subject = {
			name,
			runner: new BenchRunner(bench.kernels, model),
			tokenizer: createTokenizer(model.tokenizerSpec),
			region: weightRegion(bench.kernels, model),
			pid: server.pid,
			ask: (task) => client.run({ ...target, ...task }),
		}
		// The first request loads the model; then the server's code is compiled, while it runs.
		await subject.ask({ streams: 1, maxTokens: 1, probes: [] })
		for (const streams of name === names[0] ? WARM_UP_STREAMS : []) {
			const task = { streams, maxTokens: STREAM_TOKENS_MAX, probes: [], seconds: WARM_UP_SECONDS }
			await subject.ask(task)
		}
		await measureSingle(bench, subject)
		for (const streams of STREAM_COUNTS) await measureStreams(bench, subject, streams)
		await measureFirstToken(bench, subject)
		if (QUICK_MODELS.includes(name)) await measureTopP(bench, subject)
	}
}

/** Draws from all tokens that make up a probability, beside those from a number of tokens, by turns. */
async function measureTopP(bench: Bench, subject: Subject): Promise<void> {
	const { name, ask } = subject
	const task = { streams: LOAD_STREAMS, maxTokens: STREAM_TOKENS_MAX, probes: [] }
	const ratios: number[] = []
	for (let round = 0; round < bench.rounds; round++) {
		const speed = async (fields: Record<string, unknown>) => {
			const { tokens, seconds } = await ask({ ...task, fields })
			return tokens / seconds
		}
		const byCount = await speed({ top_k: 40 })
		ratios.push((await speed({ top_p: 0.9, top_k: 0 })) / byCount)
	}
	bench.report.add({
		subject: name,
		name: `top_p 0.9 against top_k 40, ${LOAD_STREAMS} streams`,
		unit: '×',
		samples: ratios,
		goal: TOP_P_GOAL,
	})
}

/**
 * One text after another, as long as the engine alone, by turns: a text of a small model takes some ten milliseconds.
 * What server and client use of all processors bounds it: computing with as many threads leaves them nothing.
 */
async function measureSingle(bench: Bench, subject: Subject): Promise<void> {
	const { name, runner, pid, ask } = subject
	const maxTokens = await streamTokens(bench, subject, 1)
	const ratios: number[] = []
	const bounds: number[] = []
	const limits: number[] = []
	const results: ClientResult[] = []
	for (let round = 0; round < bench.rounds; round++) {
		const engineSeconds = meanUntil(SINGLE_SECONDS, () => runner.decode(1, maxTokens))
		limits.push(bandwidthLimit(bench, subject))
		const before = processorMs(pid)
		const result = await ask({ streams: 1, maxTokens, probes: [], seconds: SINGLE_SECONDS })
		const usedMs = processorMs(pid) - before + result.processorMs
		results.push(result)
		const engineAlone = (engineSeconds * result.tokens) / maxTokens
		ratios.push(engineAlone / result.seconds)
		bounds.push(Math.min(1, (engineAlone * 1000 * availableParallelism()) / usedMs))
	}
	addSpeeds(bench, subject, 1, results, limits)
	bench.report.add({
		subject: name,
		name: 'HTTP, 1 stream, against the engine alone',
		unit: '×',
		samples: ratios,
		goal: ENGINE_RATIO_GOAL,
	})
	bench.report.add({
		subject: name,
		name: 'HTTP, 1 stream, were no processor ever idle',
		unit: '×',
		samples: bounds,
	})
	addGaps(bench, subject, 1, results)
}

async function measureStreams(bench: Bench, subject: Subject, streams: number): Promise<void> {
	const maxTokens = await streamTokens(bench, subject, streams)
	const limits: number[] = []
	const results: ClientResult[] = []
	for (let round = 0; round < bench.rounds; round++) {
		limits.push(peakLimit(bench, subject))
		results.push(await subject.ask({ streams, maxTokens, probes: [] }))
	}
	addSpeeds(bench, subject, streams, results, limits)
	addGaps(bench, subject, streams, results)
}

function addSpeeds(
	bench: Bench,
	{ name }: Subject,
	streams: number,
	results: readonly ClientResult[],
	limits: readonly number[],
): void {
	const samples = results.map(({ tokens, seconds }) => tokens / seconds)
	bench.report.add({
		subject: name,
		name: `HTTP, ${streamsText(streams)}`,
		unit: 'tok/s',
		samples,
		shares: samples.map((speed, round) => speed / limits[round]!),
		limit: streams === 1 ? 'bandwidth' : 'peak',
		goal: name === 'S' && streams === 32 ? PEAK_SHARE_GOAL : null,
	})
}

function addGaps(
	bench: Bench,
	{ name }: Subject,
	streams: number,
	results: readonly ClientResult[],
): void {
	const hasGoal = streams === LOAD_STREAMS && QUICK_MODELS.includes(name)
	for (const [percentile, key] of [
		['p50', 'gapP50'],
		['p99', 'gapP99'],
	] as const) {
		bench.report.add({
			subject: name,
			name: `gap between tokens, ${streamsText(streams)}, ${percentile}`,
			unit: 'ms',
			samples: results.map((result) => result[key]),
			goal: key === 'gapP99' && hasGoal ? GAP_GOAL : null,
		})
	}
}

function streamsText(streams: number): string {
	return streams === 1 ? '1 stream' : `${streams} streams`
}

/** Tokens per second of one stream if reading the weights were all. */
function bandwidthLimit({ kernels, sampleSeconds }: Bench, { region }: Subject): number {
	return readBandwidth(kernels, region, sampleSeconds / 2) / region.bytes
}

/** Tokens per second of many streams if multiplying were all. */
function peakLimit({ kernels, sampleSeconds }: Bench, { runner }: Subject): number {
	const { layers, head } = multipliedParameters(runner)
	return peakFlops(kernels, sampleSeconds / 2) / (2 * (layers + head))
}

async function measureFirstToken(bench: Bench, subject: Subject): Promise<void> {
	const { name, runner, ask } = subject
	const probeCount = bench.isQuick ? PROBES_QUICK : PROBES[name]
	const maxTokens = await streamTokens(bench, subject, LOAD_STREAMS)
	const computeMs: number[] = []
	const idle: number[] = []
	const loaded: number[] = []
	for (let round = 0; round < bench.rounds; round++) {
		for (let i = 0; i < probeCount; i++) computeMs.push(runner.prefill(PROMPT_TOKENS) * 1000)
		const probes = () => Array.from({ length: probeCount }, () => randomPrompt(subject))
		idle.push(...(await ask({ streams: 0, maxTokens, probes: probes() })).firstTokenMs)
		loaded.push(...(await ask({ streams: LOAD_STREAMS, maxTokens, probes: probes() })).firstTokenMs)
	}
	const add = (figure: string, value: number, goal: Goal | null = null) =>
		bench.report.add({ subject: name, name: figure, unit: 'ms', samples: [value], goal })
	add('first token, idle server, p50', quantile(idle, 0.5))
	add('first token, idle server, p99', quantile(idle, 0.99))
	const goal = name === 'S' ? FIRST_TOKEN_GOAL : null
	add('of which not compute, p50', quantile(idle, 0.5) - quantile(computeMs, 0.5), goal)
	add(`first token beside ${LOAD_STREAMS} streams, p50`, quantile(loaded, 0.5))
	const loadedGoal = QUICK_MODELS.includes(name) ? LOADED_FIRST_TOKEN_GOAL : null
	add(`first token beside ${LOAD_STREAMS} streams, p99`, quantile(loaded, 0.99), loadedGoal)
}

/** How many tokens make streams of a good length, found by trying. */
async function streamTokens(bench: Bench, subject: Subject, streams: number): Promise<number> {
	const { ask } = subject
	const probe = { streams, maxTokens: STREAM_TOKENS_MIN, probes: [] }
	const { tokens, seconds } = await ask(probe)
	const wanted = (SAMPLE_SECONDS * tokens) / seconds / streams / (bench.isQuick ? 2 : 1)
	return Math.round(Math.min(Math.max(wanted, STREAM_TOKENS_MIN), STREAM_TOKENS_MAX))
}

/** A prompt of 64 tokens that nobody has sent before: nothing of it is in the prefix cache. */
function randomPrompt({ runner, tokenizer }: Subject): string {
	// Pieces may join to other tokens than they came from: make more than needed, then cut.
	const text = tokenizer.decode(runner.randomTokens(PROMPT_TOKENS * 2))
	return tokenizer.decode(tokenizer.encode(text).slice(0, PROMPT_TOKENS))
}
