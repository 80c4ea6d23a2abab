/*
 * The embedded model made as large as another one, so that a large model's work is measured on real texts:
 * each channel, head and hidden unit stands there several times, matrices are divided by that number, and
 * layers are added that change nothing. What it computes is the same but for rounding.
 */
import { openFileSource } from '../../src/checkpoint/formats/byte-source.ts'
import { openCheckpoint } from '../../src/checkpoint/formats/open.ts'
import { readTensors, verifyStructure } from '../../src/checkpoint/verify.ts'
import type { Kernels } from '../../src/kernels/binding.ts'
import type { Dtype, ModelConfig } from '../../src/model/model-config.ts'
import { packTensor, type TensorRows, weightLayout } from '../../src/model/weights.ts'

/** How much of everything; `vocabSize` and `nLayer` at least the model's own. */
export interface Widening {
	readonly copies: number
	readonly nLayer: number
	readonly vocabSize: number
}

export interface WidenedModel {
	readonly config: ModelConfig
	/** Ids of the model's own vocabulary; the others are never drawn. */
	readonly tokenCount: number
	readonly dtype: Dtype
	readonly arena: SharedArrayBuffer
}

export function widenModel(
	kernels: Kernels,
	checkpointPath: string,
	dtype: Dtype,
	{ copies, nLayer, vocabSize }: Widening,
): WidenedModel {
	using source = openFileSource(checkpointPath)
	const checkpoint = verifyStructure(openCheckpoint(source))
	const own = checkpoint.config
	if (own.family !== 'alpha') throw new Error(`expected a model of our trainer, got ${own.family}`)
	const config = {
		...own,
		nLayer,
		vocabSize,
		nEmbd: own.nEmbd * copies,
		nHead: own.nHead * copies,
		ffnDim: own.ffnDim * copies,
	}
	const layout = weightLayout(kernels, config, dtype)
	const arena = new SharedArrayBuffer(layout.totalBytes)
	readTensors(kernels, checkpoint, ({ tensor, firstRow, data }) => {
		const isTable = ['wte', 'wpe'].includes(tensor.name)
		if (isTable || tensor.shape.length === 1) {
			const rowLength = isTable ? own.nEmbd : data.length
			const wide = repeatedRows(data, rowLength, copies)
			packTensor(
				kernels,
				layout,
				arena,
				tensor.name,
				wide,
				rowsFrom(firstRow * (isTable ? 1 : copies)),
			)
			return
		}
		const wide = repeatedRows(data, tensor.shape[1]!, copies).map((weight) => weight / copies)
		const width = tensor.shape[1]! * copies
		if (tensor.name === 'lmHead') {
			packTensor(kernels, layout, arena, tensor.name, wide, rowsFrom(firstRow))
			return
		}
		// Queries, keys and values each lie together, and so do the copies of each.
		const parts = tensor.name.endsWith('wqkv') ? 3 : 1
		const partRows = tensor.shape[0]! / parts
		for (let row = 0; row < data.length / tensor.shape[1]!; row++) {
			const part = Math.floor((firstRow + row) / partRows)
			const rowOfPart = (firstRow + row) % partRows
			const numbers = wide.slice(row * width, (row + 1) * width)
			for (let copy = 0; copy < copies; copy++) {
				const to = (part * copies + copy) * partRows + rowOfPart
				packTensor(kernels, layout, arena, tensor.name, numbers, rowsFrom(to))
			}
		}
	})
	return { config, tokenCount: own.vocabSize, dtype, arena }
}

/** Each row several times, one behind the other. */
function repeatedRows(rows: Float32Array, rowLength: number, copies: number): Float32Array {
	const wide = new Float32Array(rows.length * copies)
	for (let at = 0; at < rows.length; at += rowLength) {
		for (let copy = 0; copy < copies; copy++) {
			wide.set(rows.subarray(at, at + rowLength), at * copies + copy * rowLength)
		}
	}
	return wide
}

function rowsFrom(firstRow: number): TensorRows {
	return { firstRow, isTransposed: false }
}
