/*
 * One loaded network: its weights, KV blocks and buffers, all sized at construction, and a batch that
 * runs through it. Knows rows, positions and KV blocks; nothing of requests, sampling or files.
 */
import type { Kernels } from '../kernels/binding.ts'
import type { Matrix } from '../kernels/buffer.ts'
import { assert } from '../lib/assert.ts'
import { Batch, type BatchLimits } from './batch.ts'
import type { Network } from './families/family.ts'
import type { ModelConfig } from './model-config.ts'
import { Ops } from './ops.ts'
import { arenaBase, type WeightLayout } from './weights.ts'

export class Gpt {
	readonly config: ModelConfig
	/** Filled by the scheduler before each `forward`. */
	readonly batch: Batch
	/** Logits of the wanted rows, [rows, vocabSize]; valid until the next `forward`. */
	readonly logits: Matrix
	/** Final hidden states of the rows that were normalized last, [rows, nEmbd]. */
	readonly hidden: Matrix
	readonly #network: Network
	readonly #ops: Ops
	/** Keeps the weights alive whose addresses the operations use. */
	readonly #arena: SharedArrayBuffer

	constructor(
		kernels: Kernels,
		layout: WeightLayout,
		arena: SharedArrayBuffer,
		limits: BatchLimits,
		kvBlocks: number,
	) {
		const { config, dtype, network, offsets } = layout
		this.config = config
		this.batch = new Batch(limits)
		this.#network = network
		this.#arena = arena
		const base = arenaBase(this.#arena)
		this.#ops = new Ops(kernels, network, this.batch, {
			dtype,
			weights: (slot) => base + offsets[slot.index]!,
			rowsMax: limits.rowsMax,
			contextLength: config.contextLength,
			kvBlocks,
		})
		this.logits = this.#ops.matrix(network.logits)
		this.hidden = this.#ops.matrix(network.hidden)
	}

	/** Gives the memory of KV blocks, ascending, back to the system; what they hold is lost. */
	releaseKeysValues(blocks: Int32Array): void {
		this.#ops.releaseKeysValues(blocks)
	}

	/** Runs the batch through the network: keys and values into their blocks, wanted logits out. */
	forward(): void {
		const { x, hidden, logits, finalNorm, head, logitCap } = this.#network
		this.#ops.begin()
		this.#network.forward(this.#ops)
		if (this.batch.logitRowCount === 0) return
		this.#ops.normLogitRows(hidden, x, finalNorm)
		this.#ops.linearLogitRows(logits, hidden, head)
		if (logitCap !== undefined) this.#ops.capLogitRows(logits, logitCap)
	}

	/** Final norm of every row of the last `forward`, into `hidden`: for embeddings, whose batch wants all rows. */
	normalizeAllRows(): void {
		assert(this.batch.wantsAllRows, 'all rows went through the last layer')
		const { x, hidden, finalNorm } = this.#network
		this.#ops.norm(hidden, x, finalNorm)
	}
}
