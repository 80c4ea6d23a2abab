import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openFileSource } from '../../src/checkpoint/formats/byte-source.ts'
import { openCheckpoint } from '../../src/checkpoint/formats/open.ts'
import type { LoadedCheckpoint } from '../../src/checkpoint/load/checkpoint-info.ts'
import { loadCheckpoint } from '../../src/checkpoint/load/worker/load.ts'
import type { Kernels } from '../../src/kernels/binding.ts'
import type { Dtype } from '../../src/model/model-config.ts'

const fixtures = join(import.meta.dir, '../fixtures')
const checkpoints = join(import.meta.dir, '../../checkpoints')

/** What the trainer's own code computes (test/fixtures/README.md). */
export interface Expected {
	readonly about: { readonly checkpoint: string }
	readonly forward: readonly {
		readonly name: string
		readonly ids: readonly number[]
		readonly argmax: number
		readonly top_gap: number
		readonly logits: readonly number[]
	}[]
	readonly greedy: readonly {
		readonly name: string
		readonly prompt_ids: readonly number[]
		readonly ids: readonly number[]
		readonly finish_reason: string
	}[]
}

export interface TrainedModel {
	readonly name: string
	readonly checkpointPath: string
	readonly expected: Expected
}

/** A run directory of test/fixtures. */
export function fixturePath(name: string): string {
	return join(fixtures, name)
}

/** Names of the run directories that the trainer wrote. */
export function fixtureRuns(): string[] {
	return readdirSync(fixtures)
		.filter((name) => existsSync(join(fixtures, name, 'expected.json')))
		.sort()
}

/** Every checkpoint that the trainer wrote, the embedded model included. */
export function trainedModels(): TrainedModel[] {
	const models = fixtureRuns().map((name): TrainedModel => {
		const expected = readExpected(join(fixtures, name, 'expected.json'))
		return { name, expected, checkpointPath: join(fixtures, name, expected.about.checkpoint) }
	})
	return [...models, embeddedModel()]
}

export function embeddedModel(): TrainedModel {
	return {
		name: 'novels-austen',
		expected: readExpected(join(fixtures, 'novels-austen.expected.json')),
		checkpointPath: join(checkpoints, 'novels-austen/checkpoint-5600.json'),
	}
}

function readExpected(path: string): Expected {
	return JSON.parse(readFileSync(path, 'utf8')) as Expected
}

/** Loads a trained model as the server does, in this thread. */
export function loadTrained(kernels: Kernels, model: TrainedModel, dtype: Dtype): LoadedCheckpoint {
	using source = openFileSource(model.checkpointPath)
	return loadCheckpoint(
		kernels,
		openCheckpoint(source),
		dtype,
		(bytes) => new SharedArrayBuffer(bytes),
	)
}
