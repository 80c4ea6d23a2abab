/** Writes a checkpoint in the form of other tools. Runs on the loader's thread. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Kernels } from '../../kernels/binding.ts'
import { Fault } from '../../lib/fault.ts'
import type { AlphaConfig } from '../../model/model-config.ts'
import type { TrainerTokenizerSpec } from '../../tokenizer/tokenizer.ts'
import type { CheckpointFile } from '../formats/types.ts'
import { type VerifiedCheckpoint, verifyStructure } from '../verify.ts'
import type { ExportReport } from './export-report.ts'
import { exportGguf, type GgufExport } from './gguf.ts'
import {
	type HuggingFaceLayout,
	type OutputTensor,
	outputFiles,
	outputTensors,
} from './hugging-face.ts'
import { networkNumbers, transposed } from './network-numbers.ts'
import { type ExportDtype, SafetensorsWriter } from './safetensors-writer.ts'
import { tokenizerJson } from './tokenizer-json.ts'

export type ExportRequest = {
	/** A directory that does not exist yet. */
	readonly directory: string
} & (HuggingFaceExport | GgufExport)

export interface HuggingFaceExport {
	readonly format: 'hf'
	readonly layout: HuggingFaceLayout
	readonly dtype: ExportDtype
	/** Text of the README.md. */
	readonly card: string
}

const TORCH_DTYPES = { f32: 'float32', bf16: 'bfloat16' } as const

/**
 * Throws CheckpointError for the checkpoint, Fault `invalid` for a model that the format does not have,
 * and `conflict` when the directory is there. Calls `checkIn` before each tensor; when that throws, nothing stays
 * of what was written.
 */
export function exportCheckpoint(
	kernels: Kernels,
	file: CheckpointFile,
	request: ExportRequest,
	checkIn: () => void = () => {},
): ExportReport {
	const checkpoint = verifyStructure(file)
	const { directory } = request
	makeDirectory(directory)
	try {
		return request.format === 'gguf'
			? exportGguf(kernels, checkpoint, directory, request, checkIn)
			: exportHuggingFace(kernels, checkpoint, directory, request, checkIn)
	} catch (error) {
		rmSync(directory, { recursive: true, force: true })
		throw error
	}
}

function exportHuggingFace(
	kernels: Kernels,
	checkpoint: VerifiedCheckpoint,
	directory: string,
	{ layout, dtype, card }: HuggingFaceExport,
	checkIn: () => void,
): ExportReport {
	const { config, tokenizerSpec } = ownParts(checkpoint)
	const stored = new Set(checkpoint.tensors.map(({ name }) => name))
	const tensors = outputTensors(config, layout, (name) => stored.has(name))
	const { json, differences } = tokenizerJson(tokenizerSpec)
	const texts = {
		...outputFiles(config, layout, tokenizerSpec, TORCH_DTYPES[dtype]),
		'tokenizer.json': `${JSON.stringify(json)}\n`,
		'README.md': card,
	}
	for (const [name, text] of Object.entries(texts)) writeFileSync(join(directory, name), text)
	using writer = new SafetensorsWriter(join(directory, 'model.safetensors'), dtype, tensors)
	for (const tensor of tensors) {
		checkIn()
		writer.write(numbersOf(kernels, checkpoint, tensor))
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
		const found = networkNumbers(kernels, checkpoint, source)
		numbers.set(found, at)
		at += found.length
	}
	return isTransposed ? transposed(numbers, shape[0]!) : numbers
}
