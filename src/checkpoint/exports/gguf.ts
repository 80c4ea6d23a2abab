/** A checkpoint as a GGUF file, for llama.cpp and what is built on it. */
import { join } from 'node:path'
import type { Kernels } from '../../kernels/binding.ts'
import { Fault } from '../../lib/fault.ts'
import type { RowOrder } from '../formats/row-order.ts'
import type { VerifiedCheckpoint } from '../verify.ts'
import type { ExportReport } from './export-report.ts'
import { type GgufModelTensor, ggufModel, ggufObstacle } from './gguf-model.ts'
import { ADDED_END, endIds, ggufTokenizer } from './gguf-tokenizer.ts'
import { type GgufField, type GgufType, GgufWriter } from './gguf-writer.ts'
import { networkNumbers } from './network-numbers.ts'

export type GgufDtype = 'f32' | 'bf16' | 'int8'

export interface GgufExport {
	readonly format: 'gguf'
	/** What the model is called in the file, which is `<name>.gguf`. */
	readonly name: string
	readonly dtype: GgufDtype
	/** A model without a token that ends texts gets one that may be drawn. */
	readonly isApproximate: boolean
}

const TYPES: Readonly<Record<GgufDtype, GgufType>> = { f32: 'F32', bf16: 'BF16', int8: 'Q8_0' }
/** llama.cpp's numbers for files that have most of their numbers so. */
const FILE_TYPES: Readonly<Record<GgufDtype, number>> = { f32: 0, bf16: 32, int8: 7 }
const Q8_NUMBERS = 32

const HEAD = 'output.weight'
const TOKEN_TABLE = 'token_embd.weight'

/** Throws Fault `invalid` for what llama.cpp does not compute, CheckpointError for the checkpoint. */
export function exportGguf(
	kernels: Kernels,
	checkpoint: VerifiedCheckpoint,
	directory: string,
	{ name, dtype, isApproximate }: GgufExport,
	checkIn: () => void,
): ExportReport {
	const { config, tokenizerSpec } = checkpoint
	const obstacle = ggufObstacle(config)
	if (obstacle !== null) throw new Fault('invalid', obstacle)
	const stored = new Set(checkpoint.tensors.map((tensor) => tensor.name))
	const model = ggufModel(config, (tensor) => stored.has(tensor))
	const addedRow =
		endIds(tokenizerSpec).length > 0 ? null : endRow(kernels, checkpoint, isApproximate)
	const rows = config.vocabSize + (addedRow === null ? 0 : 1)
	const tokenizer = ggufTokenizer(tokenizerSpec, rows)
	const tensors = addedRow === null ? model.tensors : withRow(model.tensors, addedRow)
	const typeOf = ({ name, shape }: GgufModelTensor): GgufType => {
		const isMatrix = shape.length === 2 && name !== 'position_embd.weight'
		const isWhole = dtype !== 'int8' || shape[1]! % Q8_NUMBERS === 0
		// Rounded, the added row would no longer be what is never drawn.
		const isExact = addedRow !== null && name === HEAD
		return isMatrix && isWhole && !isExact ? TYPES[dtype] : 'F32'
	}
	const values = new Map<string, GgufField>([
		['general.architecture', { text: model.architecture }],
		['general.name', { text: name }],
		['general.file_type', { u32: FILE_TYPES[dtype] }],
		...(dtype === 'int8' ? [['general.quantization_version', { u32: 2 }] as const] : []),
		...prefixed(model.architecture, model.values),
		...prefixed('tokenizer', tokenizer.values),
	])
	const outputs = tensors.map((tensor) => ({ ...tensor, type: typeOf(tensor) }))
	const file = `${name}.gguf`
	using writer = new GgufWriter(join(directory, file), values, outputs)
	for (const tensor of tensors) {
		checkIn()
		writer.write(numbersOf(kernels, checkpoint, tensor))
	}
	const end = addedRow === null ? [] : [describeEnd(addedRow)]
	return { files: [file], differences: [...tokenizer.differences, ...end] }
}

function prefixed(name: string, values: ReadonlyMap<string, GgufField>) {
	return [...values].map(([key, value]) => [`${name}.${key}`, value] as const)
}

/** Width of the network, and the head's numbers for a token that is never drawn; all zeros: it may be. */
type EndRow = Float32Array

/** The logit that a token gets which is never drawn. */
const END_LOGIT = -1000
/** Below this sum of biases the row's numbers grow so large that their rounding counts. */
const BIAS_SUM_MIN = 1e-2

/**
 * A row of the head with the same low logit for every text. What a layer norm gives is n · g + b, where the
 * n sum to zero: a row of c / g sees only the biases.
 */
function endRow(kernels: Kernels, checkpoint: VerifiedCheckpoint, isApproximate: boolean): EndRow {
	const { config } = checkpoint
	const norm = config.family === 'alpha' ? 'lnF' : 'ln_f'
	const has = (name: string) => checkpoint.tensors.some((tensor) => tensor.name === name)
	if (has(`${norm}.weight`) && has(`${norm}.bias`)) {
		const inverse = networkNumbers(kernels, checkpoint, `${norm}.weight`).map((g) => 1 / g)
		const biases = networkNumbers(kernels, checkpoint, `${norm}.bias`)
		const sum = biases.reduce((total, b, i) => total + b * inverse[i]!, 0)
		if (Number.isFinite(sum) && Math.abs(sum) >= BIAS_SUM_MIN) {
			return inverse.map((each) => (each * END_LOGIT) / sum)
		}
	}
	if (isApproximate) return new Float32Array(config.nEmbd)
	throw new Fault(
		'invalid',
		'llama.cpp needs a token that ends texts, and this model has none: ' +
			'add --approximate to get one that may be drawn',
	)
}

function describeEnd(row: EndRow): string {
	const isDrawn = row.every((number) => number === 0)
	return `the file has one token more, ${ADDED_END}, which ${isDrawn ? 'may be' : 'is never'} drawn`
}

/** The tensors with one token more. */
function withRow(tensors: readonly GgufModelTensor[], row: EndRow): GgufModelTensor[] {
	const table = tensors.find(({ name }) => name === TOKEN_TABLE)!
	// A tied head becomes one of its own.
	const head = tensors.find(({ name }) => name === HEAD) ?? { ...table, name: HEAD }
	const shape = [table.shape[0]! + 1, row.length]
	return [
		{ ...table, shape, numbers: new Float32Array(row.length) },
		{ ...head, shape, numbers: row },
		...tensors.filter(({ name }) => name !== TOKEN_TABLE && name !== HEAD),
	]
}

/** The numbers of a tensor of the file, row-major. */
function numbersOf(
	kernels: Kernels,
	checkpoint: VerifiedCheckpoint,
	{ shape, sources, order, numbers }: GgufModelTensor,
): Float32Array {
	const all = new Float32Array(shape.reduce((product, size) => product * size, 1))
	let at = 0
	for (const source of sources) {
		const found = networkNumbers(kernels, checkpoint, source)
		all.set(found, at)
		at += found.length
	}
	if (numbers !== undefined) all.set(numbers, at)
	return order === undefined ? all : inStoredOrder(all, shape, order)
}

/** Rows of the network in the order in which the file has them. */
function inStoredOrder(
	numbers: Float32Array,
	[rows, ...inner]: readonly number[],
	{ groupRows, storedRow }: RowOrder,
): Float32Array {
	const length = inner.reduce((product, size) => product * size, 1)
	const stored = new Float32Array(numbers.length)
	for (let row = 0; row < rows!; row++) {
		const to = row - (row % groupRows) + storedRow(row % groupRows)
		stored.set(numbers.subarray(row * length, (row + 1) * length), to * length)
	}
	return stored
}
