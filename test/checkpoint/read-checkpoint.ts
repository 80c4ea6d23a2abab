/** What the tests of the readers share: a whole checkpoint in memory, through the code that serves. */
import { memorySource } from '../../src/checkpoint/formats/byte-source.ts'
import { openCheckpoint } from '../../src/checkpoint/formats/open.ts'
import {
	readTensors,
	type VerifiedCheckpoint,
	verifyStructure,
} from '../../src/checkpoint/verify.ts'
import { openKernels } from '../../src/kernels/binding.ts'
import { libraryPath } from '../helpers/test-engine.ts'

export const kernels = openKernels(libraryPath)
kernels.select('')

export interface ReadCheckpoint extends VerifiedCheckpoint {
	/** All numbers of each tensor, row-major. */
	readonly numbers: ReadonlyMap<string, Float32Array>
}

/** Verifies and reads everything. Throws CheckpointError. */
export function readCheckpoint(bytes: Uint8Array): ReadCheckpoint {
	const checkpoint = verifyStructure(openCheckpoint(memorySource(bytes)))
	const blocks = new Map<string, number[]>()
	readTensors(kernels, checkpoint, ({ tensor, data }) => {
		const numbers = blocks.get(tensor.name) ?? []
		for (const number of data) numbers.push(number)
		blocks.set(tensor.name, numbers)
	})
	const numbers = new Map([...blocks].map(([name, all]) => [name, Float32Array.from(all)]))
	return { ...checkpoint, numbers }
}

/** The message with which `bytes` are refused; fails where they are accepted. */
export function refusalOf(bytes: Uint8Array): string {
	try {
		readCheckpoint(bytes)
	} catch (error) {
		if (error instanceof Error && error.name === 'CheckpointError') return error.message
		throw error
	}
	throw new Error('the checkpoint was accepted')
}
