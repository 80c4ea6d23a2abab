/*
 * What the machine can do at all, measured beside each figure: on a shared machine an absolute speed
 * means little, its share of the limit in the same moment means a lot.
 */
import type { Kernels } from '../../src/kernels/binding.ts'
import { alignmentBytes } from '../../src/kernels/buffer.ts'
import { arenaBase, weightLayout } from '../../src/model/weights.ts'
import {
	type Bench,
	type BenchModel,
	loadModel,
	type ModelName,
	roundsOf,
} from './bench-context.ts'
import { meanSeconds } from './statistics.ts'

/** Weights in memory as one token reads them: everything but the embedding tables. */
export interface WeightRegion {
	readonly address: number
	readonly bytes: number
	/** Owns the memory at that address. */
	readonly arena: SharedArrayBuffer
}

/** The kernel that reads memory takes whole pages. */
const PAGE_BYTES = 4096
/** Some milliseconds of multiply-adds. */
const FMA_ITERATIONS = 2 ** 18
const TILE_ITERATIONS = 2 ** 12
const DOT_ITERATIONS = 2 ** 14

/** The part of an arena that decoding reads front to back for each token. */
export function weightRegion(kernels: Kernels, model: BenchModel): WeightRegion {
	const layout = weightLayout(kernels, model.config, model.dtype)
	const [firstPart] = layout.network.tensors.get('layer.0.ln1.weight')!.placements
	const start = layout.offsets[firstPart!.slot.index]!
	const bytes = Math.floor((layout.totalBytes - alignmentBytes - start) / PAGE_BYTES) * PAGE_BYTES
	return { address: arenaBase(model.arena) + start, bytes, arena: model.arena }
}

/** Bytes per second at which all threads of the pool read the region. */
export function readBandwidth(kernels: Kernels, region: WeightRegion, seconds: number): number {
	takeAllThreads(kernels)
	const read = () => kernels.measureRead(region.address, region.bytes)
	read()
	return region.bytes / meanSeconds(seconds, read)
}

/** Floating point operations per second of all threads of the pool, two per multiply-add. */
export function peakFlops(kernels: Kernels, seconds: number): number {
	return rateOf(kernels, seconds, () => kernels.measureFma(FMA_ITERATIONS))
}

/**
 * The same with numbers from the first cache, as a matrix product multiplies them. An Intel guest has a clock of 3.6 GHz
 * while nothing is loaded, and of 3.3 in these.
 */
export function peakTileFlops(kernels: Kernels, seconds: number): number {
	return rateOf(kernels, seconds, () => kernels.measureTile(TILE_ITERATIONS))
}

/** 8-bit multiply-adds per second of all threads, with a scale for each group of inputs or none. */
export function peakDots(kernels: Kernels, seconds: number, hasScales: 0 | 1): number {
	return rateOf(kernels, seconds, () => kernels.measureDot(DOT_ITERATIONS, hasScales))
}

/** Operations per second of what counts them. */
function rateOf(kernels: Kernels, seconds: number, measure: () => number): number {
	takeAllThreads(kernels)
	let operations = 0
	const duration = meanSeconds(seconds, () => {
		operations = measure()
	})
	return operations / duration
}

/** A runner that computed before may have left some out. */
function takeAllThreads(kernels: Kernels): void {
	kernels.threadsUse(kernels.threads())
}

/** Prints peak multiply-adds, and read bandwidth at every model's size, per thread count. */
export async function measureLimits(bench: Bench): Promise<void> {
	const { kernels, report, sampleSeconds } = bench
	const counts = Array.from({ length: bench.threads }, (_, i) => i + 1)
	const sample = async (measure: () => number): Promise<number[]> => {
		const samples: number[] = []
		for await (const _ of roundsOf(bench)) samples.push(measure())
		return samples
	}
	for (const count of counts) {
		kernels.threadsSet(count)
		report.add({
			subject: 'machine',
			name: `peak multiply-adds, ${threadsText(count)}`,
			unit: 'GFLOP/s',
			samples: await sample(() => peakFlops(kernels, sampleSeconds) / 1e9),
		})
		report.add({
			subject: 'machine',
			name: `peak multiply-adds of loaded numbers, ${threadsText(count)}`,
			unit: 'GFLOP/s',
			samples: await sample(() => peakTileFlops(kernels, sampleSeconds) / 1e9),
		})
		for (const hasScales of [0, 1] as const) {
			report.add({
				subject: 'machine',
				name: `peak 8-bit multiply-adds${hasScales ? ', with scales' : ''}, ${threadsText(count)}`,
				unit: 'G/s',
				samples: await sample(() => peakDots(kernels, sampleSeconds, hasScales) / 1e9),
			})
		}
	}
	const names: readonly ModelName[] = bench.isQuick
		? ['S', 'embedded']
		: ['S', 'embedded', 'M', 'L']
	for (const name of names) {
		for (const dtype of ['f32', 'bf16', 'int8'] as const) {
			const region = weightRegion(kernels, loadModel(bench, name, dtype))
			const megabytes = (region.bytes / 1e6).toFixed(1)
			for (const count of counts) {
				kernels.threadsSet(count)
				report.add({
					subject: name,
					name: `read ${dtype} weights, ${megabytes} MB, ${threadsText(count)}`,
					unit: 'GB/s',
					samples: await sample(() => readBandwidth(kernels, region, sampleSeconds) / 1e9),
				})
			}
		}
	}
}

export function threadsText(count: number): string {
	return count === 1 ? '1 thread' : `${count} threads`
}
