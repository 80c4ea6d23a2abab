/**
 * A checkpoint of either form as a list of its parts, before anybody trusts them: the loader's `verify.ts`
 * decides whether they make a model. Only parameters are listed; optimizer state is passed over unread.
 */
import type { Kernels } from '../../kernels/binding.ts'
import type { CheckpointForm } from '../../model/parse-model-config.ts'

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
	/** Its number format as the file calls it, for instance `F32`. */
	readonly dtype: string
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
