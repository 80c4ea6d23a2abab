/** Tensors of other trainers under the names and in the layout of our networks. */
import type { ForeignTrainer } from '../../model/families/family.ts'
import { foreignNames, networkOf } from '../../model/families.ts'
import type { ModelConfig } from '../../model/model-config.ts'
import { CheckpointError } from './checkpoint-error.ts'
import type { StoredTensor } from './types.ts'

/**
 * Renames what a file holds; buffers that are no parameters are left out. Throws CheckpointError for
 * tensors that the network of the config does not have.
 */
export function networkTensors(
	stored: ReadonlyMap<string, StoredTensor>,
	config: ModelConfig,
	trainer: ForeignTrainer,
): ReadonlyMap<string, StoredTensor> {
	const { tensors } = networkOf(config)
	const names = foreignNames(config, trainer)
	const renamed = new Map<string, StoredTensor>()
	for (const tensor of stored.values()) {
		const name = names.tensorName(tensor.name)
		if (name === null) continue
		if (!tensors.has(name)) {
			throw new CheckpointError(
				`${tensor.name}: expected no such tensor by the config, got one: is it of another model?`,
			)
		}
		if (renamed.has(name)) throw new CheckpointError(`${tensor.name}: expected once, got twice`)
		renamed.set(name, { ...(names.isTransposed(name) ? transposed(tensor) : tensor), name })
	}
	return renamed
}

/** Rows and columns that are transposed at a time, so that both sides stay in the nearest cache. */
const TILE = 16

/** A matrix stored as [in, out], as one of [out, in]. It is read whole when it is opened. */
function transposed(tensor: StoredTensor): StoredTensor {
	const { shape } = tensor
	if (!Array.isArray(shape) || shape.length !== 2) return tensor
	const [inputs, outputs] = shape as [number, number]
	return {
		...tensor,
		shape: [outputs, inputs],
		open(kernels) {
			const reader = tensor.open(kernels)
			const columns = new Float32Array(inputs * outputs)
			reader.read(columns)
			let row = 0
			return {
				read(out) {
					const rows = out.length / inputs
					transposeRows(columns, { inputs, outputs }, { first: row, rows }, out)
					row += rows
				},
				expectEnd: () => reader.expectEnd(),
			}
		},
	}
}

/** Rows `first` … of the transposed matrix. */
function transposeRows(
	columns: Float32Array,
	{ inputs, outputs }: { inputs: number; outputs: number },
	{ first, rows }: { first: number; rows: number },
	out: Float32Array,
): void {
	for (let rowStart = 0; rowStart < rows; rowStart += TILE) {
		const rowEnd = Math.min(rows, rowStart + TILE)
		for (let start = 0; start < inputs; start += TILE) {
			const end = Math.min(inputs, start + TILE)
			for (let row = rowStart; row < rowEnd; row++) {
				for (let input = start; input < end; input++) {
					out[row * inputs + input] = columns[input * outputs + first + row]!
				}
			}
		}
	}
}
