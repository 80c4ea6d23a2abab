import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openFileSource } from '../../src/checkpoint/formats/byte-source.ts'
import { openCheckpoint } from '../../src/checkpoint/formats/open.ts'
import type { LoadedCheckpoint } from '../../src/checkpoint/load/checkpoint-info.ts'
import { loadCheckpoint } from '../../src/checkpoint/load/worker/load.ts'
import type { Kernels } from '../../src/kernels/binding.ts'
import type { Dtype } from '../../src/model/model-config.ts'
import { writeRun } from './checkpoint-writer.ts'
import type { Comparisons } from './options.ts'
import { REFERENCE_MODELS } from './reference-models.ts'
import type { Report } from './report.ts'

/** Models that everything is measured on. */
export type ModelName = keyof typeof REFERENCE_MODELS | 'embedded'

/** What a figure needs of a model. */
export type BenchModel = Pick<LoadedCheckpoint, 'config' | 'dtype' | 'arena'>

/** The model that the executable carries, in the checkout. */
const EMBEDDED_CHECKPOINT = join(
	import.meta.dir,
	'../../checkpoints/novels-austen/checkpoint-5600.json',
)

/** What every part of the benchmark works with. */
export interface Bench {
	readonly isQuick: boolean
	/** Samples of each figure. */
	readonly rounds: number
	/** Seconds that one sample takes at least, where it can be chosen. */
	readonly sampleSeconds: number
	readonly threads: number
	readonly kernels: Kernels
	readonly libraryPath: string
	/** Temporary; gone when the benchmark ends. */
	readonly directory: string
	readonly comparison: Comparisons
	/** Ends child processes when the benchmark is interrupted. */
	readonly stopping: AbortSignal
	readonly report: Report
}

/** Numbers the rounds of a figure; between two of them an interruption gets through. */
export async function* roundsOf(bench: Bench): AsyncGenerator<number> {
	for (let round = 0; round < bench.rounds; round++) {
		yield round
		await Bun.sleep(0)
	}
}

/** Directory of the runs of the reference models. */
export function runsDirectory(bench: Bench): string {
	return join(bench.directory, 'runs')
}

/** Name under which a server knows the model. */
export function servedName(name: ModelName): string {
	return name === 'embedded' ? 'novels-austen' : name
}

/** Path of the model's checkpoint, which is written when first asked for. */
export function checkpointPath(bench: Bench, name: ModelName): string {
	if (name === 'embedded') return EMBEDDED_CHECKPOINT
	const path = join(runsDirectory(bench), name, 'checkpoint-1.json')
	if (!existsSync(path)) writeRun(runsDirectory(bench), REFERENCE_MODELS[name])
	return path
}

/** Loads a model as the server does, on this thread. */
export function loadModel(bench: Bench, name: ModelName, dtype: Dtype): LoadedCheckpoint {
	const path = checkpointPath(bench, name)
	using source = openFileSource(path)
	return loadCheckpoint(
		bench.kernels,
		openCheckpoint(source),
		dtype,
		(bytes) => new SharedArrayBuffer(bytes),
	)
}
