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
	/** Runs the batch through all layers: keys and values into their blocks, the last state into `x`. */
	forward(ops: Ops): void
}
