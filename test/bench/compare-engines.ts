/** Our engine in this process beside others in theirs: the same weights and the same work, by turns. */
import type { Dtype } from '../../src/model/model-config.ts'
import { type Bench, roundsOf } from './bench-context.ts'
import { BenchRunner } from './bench-runner.ts'
import { type ComparedModel, ggufPath, loadCompared } from './compared-models.ts'
import { runLlamaBench } from './llama-bench.ts'
import { peakDots } from './machine-limits.ts'
import { addRatio } from './peer.ts'
import { boundedSpeed, type PromptProducts, promptProducts } from './prompt-products.ts'
import { type PythonPeer, startPythonPeer } from './python-peer.ts'
import { meanUntil } from './statistics.ts'

const PROMPT_TOKENS = 128
const DECODE_TOKENS = 64
/** Streams that decode together, and their tokens. */
const STREAMS = 32
const STREAM_TOKENS = 32
/** Threads of others wait for more work with their processors busy: so long after each turn. */
const SPIN_MS = 400
/** Of a log-probability, in f32: sums in another order make it less than a thousandth of this. */
const SAME_MODEL_NATS = 1e-2
const CHECKED_TOKENS = 48

/** Our side of a comparison. */
interface Ours {
	readonly runner: BenchRunner
	/** Reads prompts with KV blocks for one context, all of them used before, as the others' are. */
	readonly reader: BenchRunner
	/** Of 8-bit prompts; null of others. */
	readonly products: PromptProducts | null
}

/** The network that the others are given: GPT-2 has no soft cap. */
function load(bench: Bench, name: ComparedModel, dtype: Dtype): Ours {
	const loaded = loadCompared(bench.kernels, name, dtype)
	const config =
		loaded.config.family === 'alpha' ? { ...loaded.config, softCap: null } : loaded.config
	const model = { ...loaded, config }
	const reader = new BenchRunner(bench.kernels, model, { kvBytesMax: 0 })
	reader.prefill(config.contextLength - 1)
	const products = dtype === 'int8' ? promptProducts(bench.kernels, model, PROMPT_TOKENS) : null
	return { runner: new BenchRunner(bench.kernels, model), reader, products }
}

/** Tokens a second of each kind of work; null where an engine does not do it. */
interface Speeds {
	readonly decode: number
	readonly prompt: number
	readonly streams: number | null
}

export async function compareLlamaBench(
	bench: Bench,
	name: ComparedModel,
	dtype: Dtype,
): Promise<void> {
	const work = { promptTokens: PROMPT_TOKENS, decodeTokens: DECODE_TOKENS }
	await byTurns(bench, name, dtype, 'llama.cpp', load(bench, name, dtype), () =>
		runLlamaBench(ggufPath(name, dtype), bench.threads, work),
	)
}

export async function comparePython(
	bench: Bench,
	name: ComparedModel,
	dtype: Dtype,
	peer: PythonPeer,
): Promise<void> {
	using process = await startPythonPeer(bench, peer, name, dtype)
	if (process.reason !== null) {
		bench.report.note(`${name} ${dtype}: ${peer}: ${process.reason}`)
		return
	}
	const ours = load(bench, name, dtype)
	if (dtype === 'f32') {
		const tokenIds = ours.runner.randomTokens(CHECKED_TOKENS)
		expectSameModel(
			peer,
			new Map(ours.runner.nextLogprobs(tokenIds)),
			await process.logprobs(tokenIds),
		)
	}
	await byTurns(bench, name, dtype, peer, ours, async () => ({
		decode: await process.decode(DECODE_TOKENS),
		prompt: await process.prompt(PROMPT_TOKENS),
		streams: await process.streams(STREAMS, STREAM_TOKENS),
	}))
}

async function byTurns(
	bench: Bench,
	name: ComparedModel,
	dtype: Dtype,
	peer: string,
	side: Ours,
	theirSpeeds: () => Promise<Speeds>,
): Promise<void> {
	const ours: Speeds[] = []
	const theirs: Speeds[] = []
	const promptBounds: number[] = []
	for await (const _ of roundsOf(bench)) {
		theirs.push(await theirSpeeds())
		await Bun.sleep(SPIN_MS)
		const speeds = ourSpeeds(side, bench.sampleSeconds)
		ours.push(speeds)
		if (side.products) {
			const limit = peakDots(bench.kernels, bench.sampleSeconds, 1)
			promptBounds.push(boundedSpeed(bench, side.products, speeds.prompt, limit))
		}
	}
	const add = (work: string, key: keyof Speeds) => {
		if (theirs.some((speeds) => speeds[key] === null)) return
		const of = (all: readonly Speeds[]) => all.map((speeds) => speeds[key]!)
		const comparison = { model: name, dtype, work, peer, unit: 'tok/s' }
		addRatio(bench.report, comparison, { ours: of(ours), theirs: of(theirs) })
	}
	add('decode', 'decode')
	add(`prompt of ${PROMPT_TOKENS}`, 'prompt')
	add(`${STREAMS} streams`, 'streams')
	if (promptBounds.length === 0) return
	bench.report.add({
		subject: `${name} ${dtype}`,
		name: `prompt of ${PROMPT_TOKENS}, at most, against ${peer}`,
		unit: '×',
		samples: promptBounds.map((bound, round) => bound / theirs[round]!.prompt),
	})
}

/** Each once before, to warm up, then for a while, as the others do. */
function ourSpeeds({ runner, reader }: Ours, sampleSeconds: number): Speeds {
	const speed = (tokens: number, seconds: () => number) => {
		seconds()
		return tokens / meanUntil(sampleSeconds, seconds)
	}
	return {
		decode: speed(DECODE_TOKENS, () => runner.decode(1, DECODE_TOKENS)),
		prompt: speed(PROMPT_TOKENS, () => reader.prefill(PROMPT_TOKENS)),
		streams: speed(STREAMS * STREAM_TOKENS, () => runner.decode(STREAMS, STREAM_TOKENS)),
	}
}

/** Whoever computes another network would be compared for nothing. */
function expectSameModel(
	peer: string,
	ours: ReadonlyMap<number, number>,
	theirs: readonly number[],
): void {
	const distances = [...ours].map(([tokenId, logprob]) => Math.abs(logprob - theirs[tokenId]!))
	const distance = Math.max(...distances)
	if (!(distance <= SAME_MODEL_NATS)) {
		throw new Error(`${peer} computes another model: log-probabilities differ by ${distance}`)
	}
}
