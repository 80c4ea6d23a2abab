/*
 * The forward pass: reads like the paper, one kernel call per operation, pointers computed once.
 * Knows rows, positions and KV blocks; nothing of requests, sampling or files.
 */
import {
	type Kernels,
	kernelActivations,
	kernelDtypes,
	panelColumns,
	pointerOf,
} from '../kernels/binding.ts'
import { assert } from '../lib/assert.ts'
import { type ActivationProgram, compileActivation } from './activation-program.ts'
import { Batch, type BatchLimits } from './batch.ts'
import { headDim, type ModelConfig } from './model-config.ts'
import { arenaBase, type WeightLayout } from './weights.ts'

const ALIGNMENT_BYTES = 64

interface LayerPointers {
	readonly ln1Weight: number
	readonly ln1Bias: number
	readonly qkv: number
	readonly attentionOut: number
	readonly ln2Weight: number
	readonly ln2Bias: number
	readonly mlpUp: number
	readonly mlpDown: number
	readonly activation: number
}

/** Floats of one KV block over all layers. */
export function kvBlockFloats(kernels: Kernels, config: ModelConfig): number {
	return config.nLayer * kernels.kvLayerFloats(config.nHead, headDim(config))
}

function stride(columns: number): number {
	return Math.ceil(columns / panelColumns) * panelColumns
}

/** Outputs of the MLP's first projection; swiglu computes gate and value at once. */
function mlpUpColumns({ activation, ffnDim }: ModelConfig): number {
	return activation.kind === 'swiglu' ? 2 * ffnDim : ffnDim
}

/** Row stride of the buffer that holds q, k and v, and later the MLP's hidden layer. */
function wideStride(config: ModelConfig): number {
	return stride(Math.max(3 * config.nEmbd, mlpUpColumns(config)))
}

/** One loaded network with its KV blocks and activation buffers, all sized at construction. */
export class Gpt {
	readonly config: ModelConfig
	/** Filled by the scheduler before each `forward`. */
	readonly batch: Batch
	/** Logits of the wanted rows, [rows, logitStride]; valid until the next `forward`. */
	readonly logits: Float32Array
	readonly logitStride: number
	readonly logitsPointer: number
	/** Final hidden states of the rows that were normalized last, [rows, hiddenStride]. */
	readonly hidden: Float32Array
	readonly hiddenStride: number

	readonly #kernels: Kernels
	readonly #dtype: number
	readonly #layers: readonly LayerPointers[]
	readonly #pointers: {
		readonly wte: number
		readonly wpe: number
		readonly lnFWeight: number
		readonly lnFBias: number
		readonly lmHead: number
		readonly x: number
		readonly h: number
		readonly wide: number
		readonly attended: number
		readonly kv: number
		readonly scratch: number
		readonly tokenIds: number
		readonly positions: number
		readonly slots: number
		readonly spans: number
		readonly tables: number
		readonly logitRows: number
		readonly program: number
	}
	readonly #wideStride: number
	readonly #kvLayerBytes: number
	readonly #kvBlockStride: number
	readonly #program: ActivationProgram
	/** Keeps alive every buffer whose address the kernels use. */
	readonly #buffers: ArrayBufferView[] = []
	readonly #arena: SharedArrayBuffer

	constructor(
		kernels: Kernels,
		layout: WeightLayout,
		arena: SharedArrayBuffer,
		limits: BatchLimits,
		kvBlocks: number,
	) {
		const { config } = layout
		this.config = config
		this.#kernels = kernels
		this.#dtype = kernelDtypes[layout.dtype]
		this.#arena = arena
		this.batch = new Batch(limits)
		const rows = limits.rowsMax

		this.hiddenStride = stride(config.nEmbd)
		this.#wideStride = wideStride(config)
		this.logitStride = stride(config.vocabSize)
		this.logits = this.#allocate(rows * this.logitStride)
		this.logitsPointer = pointerOf(this.logits)
		this.hidden = this.#allocate(rows * this.hiddenStride)

		const layerFloats = kernels.kvLayerFloats(config.nHead, headDim(config))
		this.#kvLayerBytes = layerFloats * 4
		this.#kvBlockStride = layerFloats * config.nLayer
		this.#program =
			config.activation.kind === 'composed'
				? compileActivation(config.activation.graph)
				: { ops: new Int32Array(1), factors: new Float32Array(1) }

		const weights = arenaBase(this.#arena)
		const slot = (name: string) => {
			const offset = layout.offsets.get(name)
			assert(offset !== undefined, `slot ${name} exists`)
			return weights + offset
		}
		this.#layers = Array.from({ length: config.nLayer }, (_, layer): LayerPointers => {
			const at = `layer.${layer}.`
			const learned = `${at}mlp.activation`
			return {
				ln1Weight: slot(`${at}ln1.weight`),
				ln1Bias: slot(`${at}ln1.bias`),
				qkv: slot(`${at}attn.wqkv`),
				attentionOut: slot(`${at}attn.wo`),
				ln2Weight: slot(`${at}ln2.weight`),
				ln2Bias: slot(`${at}ln2.bias`),
				mlpUp: slot(`${at}mlp.up`),
				mlpDown: slot(`${at}mlp.down`),
				activation: layout.offsets.has(learned) ? slot(learned) : pointerOf(this.#program.factors),
			}
		})
		const scratchBytes = Math.max(
			...[config.nEmbd, config.ffnDim].map((k) => kernels.matmulScratchBytes(this.#dtype, rows, k)),
			kernels.attentionScratchBytes(config.contextLength),
		)
		this.#pointers = {
			wte: slot('wte'),
			wpe: slot('wpe'),
			lnFWeight: slot('lnF.weight'),
			lnFBias: slot('lnF.bias'),
			lmHead: slot('lmHead'),
			x: pointerOf(this.#allocate(rows * this.hiddenStride)),
			h: pointerOf(this.hidden),
			wide: pointerOf(this.#allocate(rows * this.#wideStride)),
			attended: pointerOf(this.#allocate(rows * this.hiddenStride)),
			kv: pointerOf(this.#allocate(kvBlocks * this.#kvBlockStride)),
			scratch: pointerOf(this.#allocate(Math.ceil(scratchBytes / 4))),
			tokenIds: pointerOf(this.batch.tokenIds),
			positions: pointerOf(this.batch.positions),
			slots: pointerOf(this.batch.slots),
			spans: pointerOf(this.batch.spans),
			tables: pointerOf(this.batch.tables),
			logitRows: pointerOf(this.batch.logitRows),
			program: pointerOf(this.#program.ops),
		}
	}

	/** Floats of all activation buffers for steps of `rows` rows. */
	static activationFloats(config: ModelConfig, rows: number): number {
		const hidden = stride(config.nEmbd)
		return rows * (3 * hidden + wideStride(config) + stride(config.vocabSize))
	}

	/** Zeroed floats at a 64-byte aligned address. Untouched pages cost no memory. */
	#allocate(floats: number): Float32Array {
		const buffer = new Float32Array(floats + ALIGNMENT_BYTES / 4)
		const misaligned = pointerOf(buffer) % ALIGNMENT_BYTES
		const skip = misaligned === 0 ? 0 : (ALIGNMENT_BYTES - misaligned) / 4
		const aligned = buffer.subarray(skip, skip + floats)
		this.#buffers.push(aligned)
		return aligned
	}

	/** Runs the batch through the network: keys and values into their blocks, wanted logits out. */
	forward(): void {
		const { config, batch } = this
		const k = this.#kernels
		const p = this.#pointers
		const { nEmbd, nHead, ffnDim, vocabSize } = config
		const m = batch.rowCount
		const ldx = this.hiddenStride
		const ldw = this.#wideStride
		const dHead = headDim(config)
		const softCap = config.softCap ?? 0
		const upColumns = mlpUpColumns(config)
		const activation = kernelActivations[config.activation.kind]

		k.embed(p.x, ldx, p.wte, p.wpe, p.tokenIds, p.positions, m, nEmbd)
		let kv = p.kv
		for (const layer of this.#layers) {
			k.layerNorm(p.h, ldx, p.x, ldx, 0, layer.ln1Weight, layer.ln1Bias, m, nEmbd)
			k.matmul(this.#dtype, p.wide, ldw, p.h, ldx, layer.qkv, m, nEmbd, 3 * nEmbd, 0, p.scratch)
			k.kvStore(kv, this.#kvBlockStride, p.wide, ldw, p.slots, m, nHead, dHead)
			k.attention(
				p.attended,
				ldx,
				p.wide,
				ldw,
				kv,
				this.#kvBlockStride,
				p.spans,
				batch.spanCount,
				p.tables,
				nHead,
				dHead,
				softCap,
				p.scratch,
			)
			k.matmul(
				this.#dtype,
				p.x,
				ldx,
				p.attended,
				ldx,
				layer.attentionOut,
				m,
				nEmbd,
				nEmbd,
				1,
				p.scratch,
			)
			k.layerNorm(p.h, ldx, p.x, ldx, 0, layer.ln2Weight, layer.ln2Bias, m, nEmbd)
			k.matmul(this.#dtype, p.wide, ldw, p.h, ldx, layer.mlpUp, m, nEmbd, upColumns, 0, p.scratch)
			k.activation(
				activation,
				p.wide,
				ldw,
				m,
				ffnDim,
				layer.activation,
				p.program,
				this.#program.ops.length,
			)
			k.matmul(this.#dtype, p.x, ldx, p.wide, ldw, layer.mlpDown, m, ffnDim, nEmbd, 1, p.scratch)
			kv += this.#kvLayerBytes
		}
		const logitRows = batch.logitRowCount
		if (logitRows === 0) return
		this.#normalize(p.logitRows, logitRows)
		k.matmul(
			this.#dtype,
			this.logitsPointer,
			this.logitStride,
			p.h,
			ldx,
			p.lmHead,
			logitRows,
			nEmbd,
			vocabSize,
			0,
			p.scratch,
		)
	}

	/** Final layer norm of every row of the last `forward`, into `hidden`: for embeddings. */
	normalizeAllRows(): void {
		this.#normalize(0, this.batch.rowCount)
	}

	#normalize(rows: number, count: number): void {
		const p = this.#pointers
		this.#kernels.layerNorm(
			p.h,
			this.hiddenStride,
			p.x,
			this.hiddenStride,
			rows,
			p.lnFWeight,
			p.lnFBias,
			count,
			this.config.nEmbd,
		)
	}
}
