/**
 * A checkpoint of either form as a list of its parts, before anybody trusts them: `verify.ts` decides
 * whether they make a model. Only parameters are listed; optimizer state is passed over unread.
 */

import type { Kernels } from '../kernels/binding.ts'
import type { CheckpointForm } from '../model/parse-model-config.ts'
import type { ByteSource } from './byte-source.ts'
import { CheckpointError } from './checkpoint-error.ts'
import { isBinaryForm, openBinary } from './formats/alph.ts'
import { openJson } from './formats/json.ts'

/** Reads one tensor's numbers from the front to the back. */
export interface TensorReader {
	/** Fills `out` with the next numbers, row-major. Throws CheckpointError when there are fewer. */
	read(out: Float32Array): void
	/** Checks that no number is left. Throws CheckpointError. */
	expectEnd(): void
}

/** A parameter as the file declares it. */
export interface StoredTensor {
	readonly name: string
	/** Its shape as it stands in the file: any JSON. */
	readonly shape: unknown
	/** How many numbers the file has for it: at least, at most. */
	readonly elements: readonly [min: number, max: number]
	/** One reader of a file at a time: readers share its buffers. */
	open(kernels: Kernels): TensorReader
}

export interface CheckpointFile {
	readonly form: CheckpointForm
	readonly modelConfig: unknown
	readonly tokenizerArtifacts: unknown
	/** Training step that the file names; undefined when it names none. */
	readonly step: unknown
	/** Parameters by name. */
	readonly tensors: ReadonlyMap<string, StoredTensor>
}

/** Bytes by which the form is told; the file's name says nothing. */
const SNIFFED_BYTES = 4

/**
 * Reads the structure of a checkpoint: all of it but the numbers. Allocates in proportion to what is
 * there, never to what is declared. The source must stay open while tensors are read.
 */
export function openCheckpoint(source: ByteSource): CheckpointFile {
	if (source.size < SNIFFED_BYTES) {
		throw new CheckpointError(`expected a checkpoint, found a file of ${source.size} bytes`)
	}
	const start = new Uint8Array(SNIFFED_BYTES)
	source.read(start, 0)
	return isBinaryForm(start) ? openBinary(source) : openJson(source)
}
