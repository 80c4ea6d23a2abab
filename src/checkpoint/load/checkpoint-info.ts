/** What the loader tells of a checkpoint. Plain data: crosses threads. */
import type { Dtype, ModelConfig } from '../../model/model-config.ts'
import type { TokenizerSpec } from '../../tokenizer/tokenizer.ts'
import type { CheckpointForm } from '../formats/types.ts'

/** A tokenizer without its tables. */
export interface TokenizerSummary {
	readonly type: TokenizerSpec['type']
	readonly vocabSize: number
	readonly mergeCount: number
	/** It brings a chat template of its own. */
	readonly hasChatTemplate: boolean
	readonly specialTokens: readonly string[]
}

/** What is known of a checkpoint without its numbers. Plain data: crosses threads. */
export interface CheckpointInfo {
	readonly form: CheckpointForm
	readonly config: ModelConfig
	readonly tokenizer: TokenizerSummary
	/** Training step that the file names, or null. */
	readonly step: number | null
	/** Loss on validation data that the file tells, or null. */
	readonly loss: number | null
	readonly parameterCount: number
	/** The format in which it is loaded, by what was asked for. */
	readonly dtype: Dtype
	/** Memory that its weights take when they are loaded. */
	readonly arenaBytes: number
}

/** A model ready to be computed with. Plain data: crosses threads, the arena without a copy. */
export interface LoadedCheckpoint extends CheckpointInfo {
	readonly tokenizerSpec: TokenizerSpec
	/** Packed weights by `weightLayout`. */
	readonly arena: SharedArrayBuffer
	/**
	 * 16 hex digits over config, tokenizer and every parameter's f32 bits; the same model has the same
	 * digest in both forms. Not cryptographic: it tells versions apart, it does not prove an origin.
	 */
	readonly digest: string
}
