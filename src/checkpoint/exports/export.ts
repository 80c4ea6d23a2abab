/** Writes a checkpoint in the form of other tools. Runs on the loader's thread. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Kernels } from '../../kernels/binding.ts'
import { Fault } from '../../lib/fault.ts'
import type { AlphaConfig } from '../../model/model-config.ts'
import type { TrainerTokenizerSpec } from '../../tokenizer/tokenizer.ts'
import type { CheckpointFile } from '../formats/types.ts'
import { readTensors, type VerifiedCheckpoint, verifyStructure } from '../verify.ts'
import {
	type HuggingFaceLayout,
	type OutputTensor,
	outputFiles,
	outputTensors,
} from './hugging-face.ts'
import { type ExportDtype, SafetensorsWriter } from './safetensors-writer.ts'
import { tokenizerJson } from './tokenizer-json.ts'

export interface ExportRequest {
	/** A directory that does not exist yet. */
	readonly directory: string
	readonly layout: HuggingFaceLayout
	readonly dtype: ExportDtype
	/** Text of the README.md. */
	readonly card: string
}

export interface ExportReport {
	/** Names of the files that were written. */
	readonly files: readonly string[]
	/** In words, where the tokenizer may give other ids than ours. */
	readonly differences: readonly string[]
}

const TORCH_DTYPES = { f32: 'float32', bf16: 'bfloat16' } as const

/** Throws CheckpointError for the checkpoint, and Fault `conflict` when the directory is there. */
export function exportCheckpoint(
	kernels: Kernels,
	file: CheckpointFile,
	{ directory, layout, dtype, card }: ExportRequest,
): ExportReport {
	const checkpoint = verifyStructure(file)
	const { config, tokenizerSpec } = ownParts(checkpoint)
	const stored = new Set(checkpoint.tensors.map(({ name }) => name))
	const tensors = outputTensors(config, layout, (name) => stored.has(name))
	const { json, differences } = tokenizerJson(tokenizerSpec)
	const texts = {
		...outputFiles(config, layout, tokenizerSpec, TORCH_DTYPES[dtype]),
		'tokenizer.json': `${JSON.stringify(json)}\n`,
		'README.md': card,
	}
	makeDirectory(directory)
	try {
		for (const [name, text] of Object.entries(texts)) writeFileSync(join(directory, name), text)
		using writer = new SafetensorsWriter(join(directory, 'model.safetensors'), dtype, tensors)
		for (const tensor of tensors) writer.write(numbersOf(kernels, checkpoint, tensor))
	} catch (error) {
		rmSync(directory, { recursive: true, force: true })
		throw error
	}
	return { files: [...Object.keys(texts), 'model.safetensors'].sort(), differences }
}

function ownParts({ config, tokenizerSpec }: VerifiedCheckpoint): {
	config: AlphaConfig
	tokenizerSpec: TrainerTokenizerSpec
} {
	const { type } = tokenizerSpec
	if (config.family !== 'alpha' || type === 'byte-bpe' || type === 'pieces') {
		throw new Fault('invalid', `expected a model of the family alpha, got ${config.family}`)
	}
	return { config, tokenizerSpec }
}

/** Half an export must not pass for one: nothing is written into a directory that is there. */
function makeDirectory(directory: string): void {
	try {
		mkdirSync(directory)
	} catch (cause) {
		const message = 'expected a directory that can be made and does not exist yet'
		throw new Fault('conflict', message, { cause })
	}
}

/** The numbers of an output tensor, row-major in its own shape. */
function numbersOf(
	kernels: Kernels,
	checkpoint: VerifiedCheckpoint,
	{ shape, sources, isTransposed }: OutputTensor,
): Float32Array {
	const numbers = new Float32Array(shape.reduce((product, size) => product * size, 1))
	let at = 0
	for (const source of sources) {
		const tensors = checkpoint.tensors.filter(({ name }) => name === source)
		readTensors(kernels, { ...checkpoint, tensors }, ({ data }) => {
			numbers.set(data, at)
			at += data.length
		})
	}
	return isTransposed ? transposed(numbers, shape[0]!) : numbers
}

/** Of [outputs, inputs] as [inputs, outputs]. */
function transposed(numbers: Float32Array, inputs: number): Float32Array {
	const outputs = numbers.length / inputs
	const result = new Float32Array(numbers.length)
	for (let row = 0; row < outputs; row++) {
		for (let column = 0; column < inputs; column++) {
			result[column * outputs + row] = numbers[row * inputs + column]!
		}
	}
	return result
}
