/*
 * The models that are compared with other engines, in the forms that these read: our checkpoint or a Hugging
 * Face directory, and GGUF. Written once, into a directory that git ignores; the same bytes each time.
 * `bun test/bench/compared-models.ts NAME…` writes them beforehand.
 */
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { exportCheckpoint } from '../../src/checkpoint/exports/export.ts'
import { openFileSource } from '../../src/checkpoint/formats/byte-source.ts'
import { ModelDirectory } from '../../src/checkpoint/formats/model-directory.ts'
import { openCheckpoint, openDirectory } from '../../src/checkpoint/formats/open.ts'
import type { LoadedCheckpoint } from '../../src/checkpoint/load/checkpoint-info.ts'
import { loadCheckpoint } from '../../src/checkpoint/load/worker/load.ts'
import { type Kernels, openKernels } from '../../src/kernels/binding.ts'
import type { Dtype } from '../../src/model/model-config.ts'
import { writeRun } from './checkpoint-writer.ts'
import { writeGguf } from './gguf-writer.ts'
import { REFERENCE_MODELS } from './reference-models.ts'

/** Our reference models, then shapes that others know (shapes.ts). */
export const COMPARED_MODELS = [
	'S',
	'M',
	'L',
	'nanogpt-10m',
	'llama-15m',
	'gpt2-124m',
	'smollm2-135m',
] as const
export type ComparedModel = (typeof COMPARED_MODELS)[number]

const CACHE = join(import.meta.dir, '../../node_modules/.cache/bench-models')

/** Where a server finds them all. */
export const COMPARED_DIRECTORY = join(CACHE, 'served')

/** Path of the GGUF file with matrices in the format that corresponds to `dtype`. */
export function ggufPath(name: ComparedModel, dtype: Dtype): string {
	return join(CACHE, `${name}-${dtype}.gguf`)
}

/** A directory with config.json and model.safetensors in f32, GPT-2's or Llama's names. */
export function huggingFacePath(name: ComparedModel): string {
	return isReference(name) ? join(CACHE, `hf-${name}`) : join(COMPARED_DIRECTORY, name)
}

/** Writes what is not there yet. */
export async function writeCompared(kernels: Kernels, name: ComparedModel): Promise<void> {
	mkdirSync(COMPARED_DIRECTORY, { recursive: true })
	if (isReference(name)) writeReference(kernels, name)
	else if (!existsSync(ggufPath(name, 'int8'))) {
		const shapes = join(import.meta.dir, 'shapes.ts')
		await Bun.$`${process.execPath} ${shapes} ${CACHE} ${name}`.quiet()
		renameSync(join(CACHE, name), join(COMPARED_DIRECTORY, name))
	}
}

/** Loads it as the server does. */
export function loadCompared(
	kernels: Kernels,
	name: ComparedModel,
	dtype: Dtype,
): LoadedCheckpoint {
	using held = new DisposableStack()
	const open = () => {
		if (isReference(name)) return openCheckpoint(held.use(openFileSource(checkpointPath(name))))
		return openDirectory(held.use(directoryOf(join(COMPARED_DIRECTORY, name))))
	}
	return loadCheckpoint(kernels, open(), dtype, (bytes) => new SharedArrayBuffer(bytes))
}

function isReference(name: ComparedModel): name is keyof typeof REFERENCE_MODELS {
	return name in REFERENCE_MODELS
}

function checkpointPath(name: string): string {
	return join(COMPARED_DIRECTORY, name, 'checkpoint-1.json')
}

function directoryOf(path: string): ModelDirectory {
	return new ModelDirectory(
		path,
		readdirSync(path).map((file) => ({ name: file })),
	)
}

function writeReference(kernels: Kernels, name: keyof typeof REFERENCE_MODELS): void {
	const model = REFERENCE_MODELS[name]
	if (!existsSync(checkpointPath(name))) writeRun(COMPARED_DIRECTORY, model)
	for (const dtype of ['f32', 'bf16', 'int8'] as const) {
		const path = ggufPath(name, dtype)
		if (existsSync(path)) continue
		writeGguf(`${path}.part`, model, dtype)
		renameSync(`${path}.part`, path)
	}
	if (existsSync(huggingFacePath(name))) return
	using source = openFileSource(checkpointPath(name))
	exportCheckpoint(kernels, openCheckpoint(source), {
		format: 'hf',
		directory: huggingFacePath(name),
		layout: 'gpt2',
		dtype: 'f32',
		card: '',
	})
}

if (import.meta.main) {
	const kernels = openKernels(join(import.meta.dir, '../../dist/libkernels.so'))
	kernels.select('')
	const names = process.argv.slice(2)
	for (const name of COMPARED_MODELS) {
		if (names.length > 0 && !names.includes(name)) continue
		await writeCompared(kernels, name)
		console.log(name)
	}
}
