import type { Kernels } from '../../kernels/binding.ts'
import { readTensors, type VerifiedCheckpoint } from '../verify.ts'

/** The numbers of a tensor of the network, row-major in the network's own shape. Throws CheckpointError. */
export function networkNumbers(
	kernels: Kernels,
	checkpoint: VerifiedCheckpoint,
	name: string,
): Float32Array {
	const tensors = checkpoint.tensors.filter((tensor) => tensor.name === name)
	const { shape, isTransposed } = tensors[0]!
	const numbers = new Float32Array(shape.reduce((product, size) => product * size, 1))
	let at = 0
	readTensors(kernels, { ...checkpoint, tensors }, ({ data }) => {
		numbers.set(data, at)
		at += data.length
	})
	return isTransposed ? transposed(numbers, shape[1]!) : numbers
}

/** Of [rows, columns] as [columns, rows]. */
export function transposed(numbers: Float32Array, columns: number): Float32Array {
	const rows = numbers.length / columns
	const result = new Float32Array(numbers.length)
	for (let row = 0; row < rows; row++) {
		for (let column = 0; column < columns; column++) {
			result[column * rows + row] = numbers[row * columns + column]!
		}
	}
	return result
}
