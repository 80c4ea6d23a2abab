import { describeValue } from '../../lib/describe-value.ts'
import { CheckpointError } from '../checkpoint-error.ts'

/** Longest name of a tensor that is looked at. */
export const TENSOR_NAME_LENGTH_MAX = 256

/** Most tensors of a file, optimizer buffers included; a model of 512 layers has some 20,000. */
export const TENSOR_COUNT_MAX = 65_536

const DIMENSIONS_MAX = 8

/** Verifies a declared shape: positive integers whose product can be counted with. */
export function parseShape(json: unknown, tensor: string): readonly number[] {
	if (!Array.isArray(json) || json.length < 1 || json.length > DIMENSIONS_MAX) {
		throw new CheckpointError(
			`${tensor}: expected a shape of 1 to ${DIMENSIONS_MAX} sizes, found ${describeValue(json)}`,
		)
	}
	const sizes = json as readonly unknown[]
	let elements = 1
	for (const size of sizes) {
		if (!Number.isSafeInteger(size) || (size as number) < 1) {
			throw new CheckpointError(
				`${tensor}: expected positive integers in its shape, found ${describeValue(size)}`,
			)
		}
		elements *= size as number
		if (!Number.isSafeInteger(elements)) {
			throw new CheckpointError(
				`${tensor}: expected a countable shape, found [${sizes.join(', ')}]`,
			)
		}
	}
	return sizes as readonly number[]
}

/** Number of elements of a verified shape. */
export function elementsOf(shape: readonly number[]): number {
	return shape.reduce((product, size) => product * size, 1)
}
