/** Files of other trainers, read to their last number without a model around them. */
import { memorySource } from '../../src/checkpoint/formats/byte-source.ts'
import { CheckpointError } from '../../src/checkpoint/formats/checkpoint-error.ts'
import { readPickle } from '../../src/checkpoint/formats/pickle.ts'
import { openSafetensors } from '../../src/checkpoint/formats/safetensors.ts'
import { openTorch, stateDictTensors } from '../../src/checkpoint/formats/torch.ts'
import type { StoredTensor } from '../../src/checkpoint/formats/types.ts'
import { kernels } from './read-checkpoint.ts'

/** All numbers of a tensor. */
export function readTensor(tensor: StoredTensor): Float32Array {
	const numbers = new Float32Array(tensor.elements[0])
	const reader = tensor.open(kernels)
	reader.read(numbers)
	reader.expectEnd()
	return numbers
}

/** Tensors of a `.safetensors`, `.bin` or `.pt` file. Throws CheckpointError. */
export function foreignTensors(path: string, bytes: Uint8Array): ReadonlyMap<string, StoredTensor> {
	const source = memorySource(bytes)
	if (path.endsWith('.safetensors')) return openSafetensors(source)
	const saved = openTorch(source)
	const model = saved instanceof Map ? (saved.get('model') ?? saved) : saved
	return stateDictTensors(model, 'model')
}

/** How many numbers, or pickled values, a file holds; null when it is refused, and then cleanly. */
export function readForeignFile(path: string, bytes: Uint8Array): number | null {
	try {
		if (path.endsWith('.pkl')) return [readPickle(bytes, { calls: new Map() })].length
		const tensors = [...foreignTensors(path, bytes).values()]
		return tensors.reduce((sum, tensor) => sum + readTensor(tensor).length, 0)
	} catch (error) {
		if (error instanceof CheckpointError) return null
		throw error
	}
}
