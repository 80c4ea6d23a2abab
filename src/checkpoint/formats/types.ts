/**
 * A checkpoint of either form as a list of its parts, before anybody trusts them: the loader's `verify.ts`
 * decides whether they make a model. Only parameters are listed; optimizer state is passed over unread.
 */
import type { Kernels } from '../../kernels/binding.ts'
import type { ModelConfig } from '../../model/model-config.ts'
import type { TrainerForm } from '../../model/parse-model-config.ts'
import type { TokenizerSpec } from '../../tokenizer/tokenizer.ts'

/** Longest name of a tensor that is looked at. */
export const TENSOR_NAME_LENGTH_MAX = 256

/** Most tensors of a file, optimizer buffers included; a model of 512 layers has some 20,000. */
export const TENSOR_COUNT_MAX = 65_536

/** Number formats that are read as weights. */
export type NumberFormat = 'f32' | 'f16' | 'bf16'

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
	/** The same for numbers that can be weights; null for others. `quantized`: in blocks of a few bits each. */
	readonly format: NumberFormat | 'quantized' | null
	/** The network's matrix [out, in] is stored as [in, out], which `shape` is. */
	readonly isTransposed?: boolean
	/** How many numbers the file has for it: at least, at most. */
	readonly elements: readonly [min: number, max: number]
	/** One reader of a file at a time: readers share its buffers. */
	open(kernels: Kernels): TensorReader
}

/** Who wrote a checkpoint, and how. */
export type CheckpointForm =
	| TrainerForm
	| 'huggingface'
	| 'nanogpt'
	| 'nanochat'
	| 'gguf'
	| 'llama2c'
	| 'state-dict'

export interface CheckpointFile {
	readonly form: CheckpointForm
	/** Training step that the file names; undefined when it names none. */
	readonly step: unknown
	/** Loss on validation data that the file tells; null where it tells none. Throws CheckpointError. */
	readLoss?(kernels: Kernels): number | null
	/** Verifies the architecture. Throws an Error that says what was expected and what came. */
	parseConfig(): ModelConfig
	/** Verifies the tokenizer. Throws such an Error. */
	parseTokenizer(): TokenizerSpec
	/** Parameters by the names that the network of `config` gives them. */
	tensorsOf(config: ModelConfig): ReadonlyMap<string, StoredTensor>
}
