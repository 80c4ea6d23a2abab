/** The engine in this process: decoding, prefill and batches, each beside its limit. */
import type { Dtype } from '../../src/model/model-config.ts'
import {
	type Bench,
	type BenchModel,
	loadModel,
	type ModelName,
	roundsOf,
} from './bench-context.ts'
import { BenchRunner, DECODE_TOKENS } from './bench-runner.ts'
import {
	peakFlops,
	peakTileFlops,
	readBandwidth,
	threadsText,
	type WeightRegion,
	weightRegion,
} from './machine-limits.ts'
import { boundedSpeed, promptProducts } from './prompt-products.ts'
import { multipliedParameters } from './reference-models.ts'
import type { Goal } from './report.ts'
import { meanUntil } from './statistics.ts'

/** Goals: shares of the limit, and speeds on S against f32. */
const DECODE_GOALS = { f32: 0.85, bf16: 0.8, int8: 0.65 } as const
const DECODE_RATIO_GOALS = { bf16: 2.5, int8: 5 } as const
const PREFILL_GOAL: Goal = { of: 'share', bound: 'min', limit: 0.8 }

const PREFILL_TOKENS = 128
const BATCHES = [8, 32, 128] as const
/** Steps of a batch sample: few, so that 128 streams' keys and values fit. */
const BATCH_STEPS_MAX = 48

interface Subject {
	readonly name: ModelName
	readonly dtype: Dtype
	readonly runner: BenchRunner
	/** Has KV blocks for one context, all of them used before: memory of a server that has run a while. */
	readonly reader: BenchRunner
	readonly region: WeightRegion
	readonly model: BenchModel
}

/** What is measured of a model. */
interface Plan {
	readonly dtypes: readonly Dtype[]
	/** Thread counts of decoding; everything else runs with all. */
	readonly threads: ReadonlySet<number>
	/** Dtypes of prefill and batches. */
	readonly wideDtypes: readonly Dtype[]
	readonly hasBatches: boolean
}

export async function measureEngine(bench: Bench): Promise<void> {
	for (const name of ['S', 'embedded', 'M', 'L'] as const) {
		const plan = planOf(bench, name)
		const subjects: Subject[] = []
		for (const dtype of plan.dtypes) {
			const model = loadModel(bench, name, dtype)
			const runner = new BenchRunner(bench.kernels, model)
			const reader = new BenchRunner(bench.kernels, model, { kvBytesMax: 0 })
			const region = weightRegion(bench.kernels, model)
			subjects.push({ name, dtype, runner, reader, region, model })
		}
		for (const threads of plan.threads) {
			bench.kernels.threadsSet(threads)
			await measureDecode(bench, subjects, threads)
		}
		for (const subject of subjects.filter(({ dtype }) => plan.wideDtypes.includes(dtype))) {
			await measurePrefill(bench, subject, PREFILL_TOKENS)
			await measurePrefill(bench, subject, subject.runner.config.contextLength - 1)
			if (!plan.hasBatches) continue
			for (const streams of BATCHES) await measureBatch(bench, subject, streams)
		}
		// What this model took is not needed for the next one.
		subjects.length = 0
		Bun.gc(true)
	}
}

function planOf({ isQuick, threads }: Bench, name: ModelName): Plan {
	const all: readonly Dtype[] = ['f32', 'bf16', 'int8']
	if (!isQuick) {
		return { dtypes: all, threads: new Set([1, threads]), wideDtypes: all, hasBatches: true }
	}
	const isSmall = name === 'S' || name === 'embedded'
	return {
		dtypes: isSmall ? all : ['f32'],
		threads: new Set([threads]),
		wideDtypes: ['f32'],
		hasBatches: name === 'S',
	}
}

/** Decoding with one stream; the dtypes take turns, so that their ratio is of the same moments. */
async function measureDecode(
	bench: Bench,
	subjects: readonly Subject[],
	threads: number,
): Promise<void> {
	const steps = subjects.map(({ runner }) => stepsFor(bench, runner, 1, DECODE_TOKENS))
	const speeds = subjects.map((): number[] => [])
	const shares = subjects.map((): number[] => [])
	for await (const _ of roundsOf(bench)) {
		for (const [i, { runner, region }] of subjects.entries()) {
			const limit = readBandwidth(bench.kernels, region, bench.sampleSeconds / 2) / region.bytes
			const seconds = meanUntil(bench.sampleSeconds, () => runner.decode(1, steps[i]!))
			const speed = steps[i]! / seconds
			speeds[i]!.push(speed)
			shares[i]!.push(speed / limit)
		}
	}
	for (const [i, { name, dtype }] of subjects.entries()) {
		bench.report.add({
			subject: name,
			name: `decode, 1 stream, ${dtype}, ${threadsText(threads)}`,
			unit: 'tok/s',
			samples: speeds[i]!,
			shares: shares[i]!,
			limit: 'bandwidth',
			goal: name === 'embedded' ? null : { of: 'share', bound: 'min', limit: DECODE_GOALS[dtype] },
		})
	}
	for (const [i, { name, dtype }] of subjects.entries()) {
		if (dtype === 'f32' || name !== 'S') continue
		bench.report.add({
			subject: name,
			name: `decode, ${dtype} against f32, ${threadsText(threads)}`,
			unit: '×',
			samples: speeds[i]!.map((speed, round) => speed / speeds[0]![round]!),
			goal: { of: 'value', bound: 'min', limit: DECODE_RATIO_GOALS[dtype] },
		})
	}
}

/** Reading a prompt. Its limit is that of all tokens in all layers, attention aside; only the last one needs logits. */
async function measurePrefill(bench: Bench, subject: Subject, tokens: number): Promise<void> {
	const { layers, head } = multipliedParameters(subject.runner)
	const counted = layers + head / tokens
	subject.reader.prefill(subject.reader.config.contextLength - 1)
	const name = `prefill, ${tokens} tokens, ${subject.dtype}`
	const hasGoal = subject.dtype === 'f32' && subject.name !== 'embedded'
	const shares = await measureFlops(
		bench,
		subject,
		name,
		2 * counted,
		() => tokens / meanUntil(bench.sampleSeconds, () => subject.reader.prefill(tokens)),
		hasGoal ? PREFILL_GOAL : null,
	)
	const done = prefillMultiplyAdds(subject.runner, tokens) / counted
	bench.report.add({
		subject: subject.name,
		name: `${name}, multiply-adds that are done, of peak`,
		unit: '×',
		samples: shares.map((share) => share * done),
	})
	if (hasGoal)
		await measurePrefillBound(bench, subject, tokens, `${name}, at most, of peak`, 2 * counted)
}

/** What share of the peak a prompt would have if its products met their numbers in the first cache, and the rest were as it is. */
async function measurePrefillBound(
	bench: Bench,
	{ name: model, reader, model: loaded }: Subject,
	tokens: number,
	name: string,
	flopsPerToken: number,
): Promise<void> {
	const { kernels, sampleSeconds } = bench
	const products = promptProducts(kernels, loaded, tokens)
	const samples: number[] = []
	for await (const _ of roundsOf(bench)) {
		const peak = peakFlops(kernels, sampleSeconds / 2)
		const speed = tokens / meanUntil(sampleSeconds, () => reader.prefill(tokens))
		const limit = peakTileFlops(kernels, sampleSeconds / 2) / 2
		samples.push((boundedSpeed(bench, products, speed, limit) * flopsPerToken) / peak)
	}
	bench.report.add({ subject: model, name, unit: '×', samples })
}

/** Multiply-adds a token: behind the keys and values of the last layer only the last token goes on. */
function prefillMultiplyAdds(runner: BenchRunner, tokens: number): number {
	const { layers, lastLayerRest, head } = multipliedParameters(runner)
	const { nLayer } = runner.config
	const attention = attentionPerToken(runner, (tokens + 1) / 2)
	const everyToken = layers - lastLayerRest + (attention * (nLayer - 1)) / nLayer
	const lastToken = lastLayerRest + attentionPerToken(runner, tokens) / nLayer + head
	return everyToken + lastToken / tokens
}

/** Streams that decode together, every row with logits. */
async function measureBatch(bench: Bench, subject: Subject, streams: number): Promise<void> {
	const { layers, head } = multipliedParameters(subject.runner)
	const steps = stepsFor(bench, subject.runner, streams, BATCH_STEPS_MAX)
	const attention = attentionPerToken(subject.runner, (steps + 1) / 2)
	const name = `decode, ${streams} streams, ${subject.dtype}`
	await measureFlops(bench, subject, name, 2 * (layers + attention + head), () => {
		return (streams * steps) / subject.runner.decode(streams, steps)
	})
}

/** Multiply-adds of a token's attention over so many tokens: of queries with keys, and of weights with values. */
function attentionPerToken({ config }: BenchRunner, tokens: number): number {
	return 2 * config.nLayer * config.nEmbd * tokens
}

/** Samples a speed in tokens per second, each beside the peak of f32 multiply-adds, of which it returns the shares. */
async function measureFlops(
	bench: Bench,
	{ name: model }: Subject,
	name: string,
	flopsPerToken: number,
	tokensPerSecond: () => number,
	goal: Goal | null = null,
): Promise<readonly number[]> {
	const samples: number[] = []
	const shares: number[] = []
	for await (const _ of roundsOf(bench)) {
		const peak = peakFlops(bench.kernels, bench.sampleSeconds / 2)
		const speed = tokensPerSecond()
		samples.push(speed)
		shares.push((speed * flopsPerToken) / peak)
	}
	bench.report.add({ subject: model, name, unit: 'tok/s', samples, shares, limit: 'peak', goal })
	return shares
}

/** How many steps make a sample long enough. */
function stepsFor(bench: Bench, runner: BenchRunner, streams: number, max: number): number {
	const probe = Math.min(4, max)
	runner.decode(streams, probe)
	const stepSeconds = runner.decode(streams, probe) / probe
	return Math.max(probe, Math.min(max, Math.round(bench.sampleSeconds / stepSeconds)))
}
