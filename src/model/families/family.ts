import type { Linear, NetworkMemory, Norm, RowBuffer } from '../network.ts'
import type { Ops } from '../ops.ts'

/**
 * A network of some family: its parts, and what it computes with them. All families end alike: the
 * residual stream is normalized, and a matrix turns it into logits.
 */
export interface Network extends NetworkMemory {
	/** The residual stream, [rows, width]: what `forward` leaves behind. */
	readonly x: RowBuffer
	/** Final hidden states, [rows, width]. */
	readonly hidden: RowBuffer
	/** [rows, vocabSize]. */
	readonly logits: RowBuffer
	readonly finalNorm: Norm
	readonly head: Linear
	/** Logits pass through cap · tanh(logit / cap); without it they stay. */
	readonly logitCap?: number
	/**
	 * Runs the batch through all layers: keys and values into their blocks, the last state of the rows that are
	 * wanted into `x`.
	 */
	forward(ops: Ops): void
}

/** Other trainers whose files are read as they wrote them. */
export type ForeignTrainer =
	| 'huggingface'
	| 'nanogpt'
	| 'nanochat'
	| 'gguf'
	| 'llama2c'
	| 'mingpt'
	| 'raschka'

/** How a trainer's files name and lay out the tensors of a network. */
export interface ForeignNames {
	/** The network's name of a stored tensor; null for buffers, which are no parameters. */
	tensorName(stored: string): string | null
	/** Whether the files have the matrix of that name as [in, out]. */
	isTransposed(name: string): boolean
}

/** What a family's file exports: a row of the table in families.ts. */
export interface Family<Config> {
	network(config: Config): Network
	/** Where other trainers write the family, too. */
	readonly foreign: ForeignFamily<Config> | null
}

export interface ForeignFamily<Config> {
	/** By `model_type` of Hugging Face's config.json. Parsers throw ModelConfigError. */
	readonly modelTypes: Readonly<Record<string, (json: unknown) => Config>>
	names(config: Config, trainer: ForeignTrainer): ForeignNames
}
