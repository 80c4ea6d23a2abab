/** Directories of other trainers with the answers of their own code (test/fixtures/families). */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ModelDirectory } from '../../src/checkpoint/formats/model-directory.ts'
import { openDirectory } from '../../src/checkpoint/formats/open.ts'
import type { CheckpointFile } from '../../src/checkpoint/formats/types.ts'
import type { Kernels } from '../../src/kernels/binding.ts'
import type { Dtype } from '../../src/model/model-config.ts'
import { packTensor, weightLayout } from '../../src/model/weights.ts'

export const families = join(import.meta.dir, '../fixtures/families')

/** What the original code computes. */
export interface FamilyAnswers {
	readonly family: string
	readonly context: number
	readonly forward: readonly {
		readonly ids: readonly number[]
		readonly argmax: number
		readonly top_gap: number
		/** All logits of the last position; of large vocabularies only the highest, as [id, logit]. */
		readonly logits?: readonly number[]
		readonly top?: readonly (readonly [number, number])[]
	}[]
	readonly greedy: readonly {
		readonly prompt_ids: readonly number[]
		readonly ids: readonly number[]
		readonly min_top_gap: number
		/** Index of the first id that ends a text, if one came. */
		readonly eos_at: number | null
		readonly text: string
		readonly text_incremental: string
	}[]
}

export function familyAnswers(name: string): FamilyAnswers {
	return JSON.parse(readFileSync(join(families, name, 'expected.json'), 'utf8'))
}

/** Names of the directories with answers, of these families only where any are given. */
export function familyDirectories(...wanted: readonly string[]): string[] {
	return readdirSync(families)
		.filter((name) => existsSync(join(families, name, 'expected.json')))
		.filter((name) => wanted.length === 0 || wanted.includes(familyAnswers(name).family))
		.sort()
}

/** A directory with all that lies in it and below. */
export function familyDirectory(name: string): ModelDirectory {
	const path = resolve(families, name)
	const names = readdirSync(path, { recursive: true, encoding: 'utf8' })
	return new ModelDirectory(
		path,
		names.map((name) => ({ name })),
	)
}

/** A directory's network without its tokenizer, which may be of a kind that is not read. */
export function loadNetwork(kernels: Kernels, name: string, dtype: Dtype) {
	using directory = familyDirectory(name)
	return packNetwork(kernels, openDirectory(directory), dtype)
}

/** A checkpoint's network without its tokenizer. */
export function packNetwork(kernels: Kernels, file: CheckpointFile, dtype: Dtype) {
	const config = file.parseConfig()
	const stored = file.tensorsOf(config)
	const layout = weightLayout(kernels, config, dtype)
	const arena = new SharedArrayBuffer(layout.totalBytes)
	for (const spec of layout.network.tensors.values()) {
		const numbers = new Float32Array(spec.shape.reduce((product, size) => product * size, 1))
		const tensor = stored.get(spec.name)!
		tensor.open(kernels).read(numbers)
		const isTransposed = tensor.isTransposed === true
		packTensor(kernels, layout, arena, spec.name, numbers, { firstRow: 0, isTransposed })
	}
	return { config, tokenCount: config.vocabSize, dtype, arena }
}
