/*
 * The operations of a forward pass, one method each: what the kernels do with which rows of the step.
 * Owns everything that a kernel call needs beside its operands: number format, addresses, keys and
 * values, scratch. Parts and buffers are named as the network's description names them.
 */
import { type Address, type Kernels, kernelActivations, kernelDtypes } from '../kernels/binding.ts'
import { alignedFloats, Matrix, type Pinned, pinned } from '../kernels/buffer.ts'
import type { Batch } from './batch.ts'
import type { Dtype } from './model-config.ts'
import type {
	Attention,
	Factor,
	Gate,
	Linear,
	MlpActivation,
	NetworkMemory,
	Norm,
	RowBuffer,
	Slot,
	Table,
} from './network.ts'
import type { Rotary } from './rotary.ts'

export interface OpsMemory {
	readonly dtype: Dtype
	/** Address of each weight slot. */
	readonly weights: (slot: Slot) => Address
	/** Rows of one step. */
	readonly rowsMax: number
	/** Tokens of the longest window. */
	readonly contextLength: number
	readonly kvBlocks: number
}

/** Keys and values have the precision of the weights, but no less than bf16. */
function kvDtype(dtype: Dtype): number {
	return dtype === 'f32' ? kernelDtypes.f32 : kernelDtypes.bf16
}

/** Bytes of one KV block over all layers, beside weights of that dtype. */
export function kvBlockBytes(
	kernels: Kernels,
	{ attentions }: NetworkMemory,
	dtype: Dtype,
): number {
	return attentions.reduce(
		(sum, { kvHeads, headDim }) => sum + kernels.kvLayerBytes(kvDtype(dtype), kvHeads, headDim),
		0,
	)
}

export class Ops {
	readonly #kernels: Kernels
	readonly #dtype: number
	readonly #batch: Batch
	/** Addresses of the batch's arrays. */
	readonly #rows: Readonly<
		Record<
			| 'tokenIds'
			| 'previousIds'
			| 'positions'
			| 'slots'
			| 'spans'
			| 'tables'
			| 'logitRows'
			| 'logitSpans',
			Address
		>
	>
	/** By a slot's index. */
	readonly #weights: Float64Array
	/** By a buffer's index. */
	readonly #buffers: readonly Matrix[]
	readonly #keysValues: Pinned<Float32Array>
	/** By an attention's index: the address of its part of block 0. */
	readonly #kvLayers: Float64Array
	readonly #kvDtype: number
	/** Bytes from one KV block to the next. */
	readonly #kvBlockStride: number
	readonly #scratch: Pinned<Float32Array>
	/** The operations work on wanted rows alone, which lie at the front of the buffers. */
	#hasWantedRowsOnly = false

	constructor(kernels: Kernels, network: NetworkMemory, batch: Batch, memory: OpsMemory) {
		const { dtype, weights, rowsMax, contextLength, kvBlocks } = memory
		this.#kernels = kernels
		this.#dtype = kernelDtypes[dtype]
		this.#batch = batch
		this.#rows = {
			tokenIds: pinned(batch.tokenIds).address,
			previousIds: pinned(batch.previousIds).address,
			positions: pinned(batch.positions).address,
			slots: pinned(batch.slots).address,
			spans: pinned(batch.spans).address,
			tables: pinned(batch.tables).address,
			logitRows: pinned(batch.logitRows).address,
			logitSpans: pinned(batch.logitSpans).address,
		}
		this.#weights = Float64Array.from(network.slots, weights)
		this.#buffers = network.buffers.map(({ columns }) => new Matrix(rowsMax, columns))

		this.#kvDtype = kvDtype(dtype)
		this.#kvBlockStride = kvBlockBytes(kernels, network, dtype)
		this.#keysValues = alignedFloats((kvBlocks * this.#kvBlockStride) / 4)
		let layer = this.#keysValues.address
		this.#kvLayers = Float64Array.from(network.attentions, ({ kvHeads, headDim }) => {
			const address = layer
			layer += kernels.kvLayerBytes(this.#kvDtype, kvHeads, headDim)
			return address
		})
		const inputs = network.slots.flatMap((slot) => (slot.kind === 'packed' ? [slot.inputs] : []))
		const scratchBytes = Math.max(
			kernels.attentionScratchBytes(contextLength),
			...[...new Set(inputs)].map((k) => kernels.matmulScratchBytes(this.#dtype, rowsMax, k)),
		)
		this.#scratch = alignedFloats(Math.ceil(scratchBytes / 4))
	}

	/** Gives the memory of KV blocks back to the system; what they hold is lost. */
	releaseKeysValues(blocks: Int32Array): void {
		for (let start = 0; start < blocks.length; ) {
			// Neighbours go together: each call is one of the system.
			let end = start + 1
			while (end < blocks.length && blocks[end] === blocks[end - 1]! + 1) end++
			const address = this.#keysValues.address + blocks[start]! * this.#kvBlockStride
			this.#kernels.releasePages(address, (end - start) * this.#kvBlockStride)
			start = end
		}
	}

	/** The memory of a buffer, [rowsMax, columns]. */
	matrix(buffer: RowBuffer): Matrix {
		return this.#buffers[buffer.index]!
	}

	/** Begins a forward pass over all rows of the batch. */
	begin(): void {
		this.#hasWantedRowsOnly = false
	}

	/**
	 * Goes on with the rows whose final state is wanted, false if there are none: in the last layer, once keys and
	 * values are stored, the others are of no use. Their rows of these buffers, all that will be read, move to the
	 * front. Behind it nothing asks for tokens or positions, nor stores keys and values.
	 */
	keepWantedRows(...buffers: readonly RowBuffer[]): boolean {
		const { wantsAllRows, rowCount, logitRowCount, logitRows } = this.#batch
		if (wantsAllRows || logitRowCount === rowCount) return true
		for (const buffer of new Set(buffers)) {
			const { array, stride } = this.matrix(buffer)
			for (let i = 0; i < logitRowCount; i++) {
				const start = logitRows[i]! * stride
				if (start !== i * stride) array.copyWithin(i * stride, start, start + stride)
			}
		}
		this.#hasWantedRowsOnly = true
		return logitRowCount > 0
	}

	/** x = tokens[token id] + positions[position], or the token's row alone. */
	embed(x: RowBuffer, tokens: Table, positions: Table | null = null): void {
		this.#embed(x, this.#rows.tokenIds, tokens, positions)
	}

	/** x = tokens[token id of the row before]; zeros at the beginning of a window. */
	embedPrevious(x: RowBuffer, tokens: Table): void {
		this.#embed(x, this.#rows.previousIds, tokens, null)
	}

	/** out = x */
	copy(out: RowBuffer, x: RowBuffer): void {
		this.mix(out, x, x, { own: null, other: null, sign: 0 })
	}

	/** out = own · x + sign · other · y, where a factor that is null is 1. */
	mix(
		out: RowBuffer,
		x: RowBuffer,
		y: RowBuffer,
		{ own, other, sign }: { own: Factor | null; other: Factor | null; sign: 1 | 0 | -1 },
	): void {
		const [to, from, added] = [this.matrix(out), this.matrix(x), this.matrix(y)]
		this.#kernels.mix(
			to.address,
			to.stride,
			from.address,
			from.stride,
			added.address,
			added.stride,
			this.#factor(own),
			this.#factor(other),
			sign,
			this.#rowCount,
			out.columns,
		)
	}

	/** x += gate(inputs) · y */
	addGated(x: RowBuffer, y: RowBuffer, inputs: RowBuffer, gate: Gate): void {
		this.#addGated(this.matrix(x).address, x, y, inputs, gate, x.columns)
	}

	/** Each head of the values of q | k | v += gate(inputs) · its part of y */
	addGatedValues(
		qkv: RowBuffer,
		{ heads, kvHeads, headDim }: Attention,
		y: RowBuffer,
		inputs: RowBuffer,
		gate: Gate,
	): void {
		const values = this.matrix(qkv).address + (heads + kvHeads) * headDim * 4
		this.#addGated(values, qkv, y, inputs, gate, headDim)
	}

	/** out = norm(x) */
	norm(out: RowBuffer, x: RowBuffer, norm: Norm): void {
		this.#norm(out, x, norm, 0, this.#rowCount)
	}

	/** out = norm(x) of the rows whose logits are wanted, one after another. */
	normLogitRows(out: RowBuffer, x: RowBuffer, norm: Norm): void {
		const picked = this.#hasWantedRowsOnly ? 0 : this.#rows.logitRows
		this.#norm(out, x, norm, picked, this.#batch.logitRowCount)
	}

	/** out = x · weight */
	linear(out: RowBuffer, x: RowBuffer, linear: Linear): void {
		this.#linear(out, x, linear, this.#rowCount, 0)
	}

	/** out += x · weight */
	addLinear(out: RowBuffer, x: RowBuffer, linear: Linear): void {
		this.#linear(out, x, linear, this.#rowCount, 1)
	}

	/** out = x · weight for as many rows as have wanted logits. */
	linearLogitRows(out: RowBuffer, x: RowBuffer, linear: Linear): void {
		this.#linear(out, x, linear, this.#batch.logitRowCount, 0)
	}

	/** x = cap · tanh(x / cap) for as many rows as have wanted logits. */
	capLogitRows(x: RowBuffer, cap: number): void {
		const { address, stride } = this.matrix(x)
		this.#kernels.softCap(address, stride, this.#batch.logitRowCount, x.columns, cap)
	}

	/** Each head of the queries of q | k | v = norm(head) */
	normQueries(qkv: RowBuffer, { heads }: Attention, norm: Norm): void {
		this.#normHeads(qkv, 0, heads, norm)
	}

	/** Each head of the keys of q | k | v = norm(head) */
	normKeys(qkv: RowBuffer, { heads, kvHeads, headDim }: Attention, norm: Norm): void {
		this.#normHeads(qkv, heads * headDim, kvHeads, norm)
	}

	/** Turns the heads of the queries and keys of q | k | v by their rows' positions. */
	rotate(qkv: RowBuffer, { heads, kvHeads, headDim }: Attention, rotary: Rotary): void {
		const rows = this.matrix(qkv)
		this.#kernels.rotary(
			rows.address,
			rows.stride,
			this.#rows.positions,
			rotary.tableUpTo(this.#batch.lastPosition),
			this.#rowCount,
			heads + kvHeads,
			headDim,
			rotary.channels,
			rotary.isPaired ? 1 : 0,
		)
	}

	/** Keys and values of q | k | v into the layer's part of their blocks. */
	storeKeysValues(qkv: RowBuffer, { index, heads, kvHeads, headDim }: Attention): void {
		const rows = this.matrix(qkv)
		const keys = rows.address + heads * headDim * 4
		this.#kernels.kvStore(
			this.#kvDtype,
			this.#kvLayers[index]!,
			this.#kvBlockStride,
			keys,
			keys + kvHeads * headDim * 4,
			rows.stride,
			this.#rows.slots,
			this.#rowCount,
			kvHeads,
			headDim,
		)
	}

	/** out = softmax(q · keys) · values per head, over each row's window up to itself. */
	attention(out: RowBuffer, qkv: RowBuffer, attention: Attention): void {
		const { index, heads, kvHeads, headDim, window, scale, softCap } = attention
		const to = this.matrix(out)
		const rows = this.matrix(qkv)
		this.#kernels.attention(
			to.address,
			to.stride,
			rows.address,
			rows.stride,
			this.#kvDtype,
			this.#kvLayers[index]!,
			this.#kvBlockStride,
			this.#hasWantedRowsOnly ? this.#rows.logitSpans : this.#rows.spans,
			this.#hasWantedRowsOnly ? this.#batch.logitSpanCount : this.#batch.spanCount,
			this.#rows.tables,
			heads,
			kvHeads,
			headDim,
			window,
			scale,
			softCap,
			this.#scratch.address,
		)
	}

	/** The MLP's activation, in place. */
	activate(x: RowBuffer, { kind, width, parameters, program }: MlpActivation): void {
		const rows = this.matrix(x)
		this.#kernels.activation(
			kernelActivations[kind],
			rows.address,
			rows.stride,
			this.#rowCount,
			width,
			this.#weight(parameters) || (program?.factors.address ?? 0),
			program?.ops.address ?? 0,
			program?.ops.array.length ?? 0,
		)
	}

	/** Rows that the operations work on. */
	get #rowCount(): number {
		return this.#hasWantedRowsOnly ? this.#batch.logitRowCount : this.#batch.rowCount
	}

	#embed(x: RowBuffer, ids: Address, tokens: Table, positions: Table | null): void {
		const out = this.matrix(x)
		this.#kernels.embed(
			out.address,
			out.stride,
			this.#weight(tokens.weight),
			this.#weight(positions?.weight ?? null),
			ids,
			this.#rows.positions,
			this.#rowCount,
			tokens.columns,
		)
	}

	/** Groups of so many channels side by side from an address on, in the rows of `x`. */
	#addGated(
		address: Address,
		x: RowBuffer,
		y: RowBuffer,
		inputs: RowBuffer,
		{ gate, scale, factor }: Gate,
		channels: number,
	): void {
		const [added, read] = [this.matrix(y), this.matrix(inputs)]
		this.#kernels.addGated(
			address,
			this.matrix(x).stride,
			added.address,
			added.stride,
			read.address,
			read.stride,
			this.#weight(gate.weight),
			this.#factor(factor),
			scale,
			this.#rowCount,
			gate.columns,
			gate.rows,
			channels,
		)
	}

	#norm(out: RowBuffer, x: RowBuffer, norm: Norm, picked: Address, count: number): void {
		const to = this.matrix(out)
		const from = this.matrix(x)
		const { kind, width, epsilon } = norm
		const weight = this.#weight(norm.weight)
		if (kind === 'rms') {
			this.#kernels.rmsNorm(
				to.address,
				to.stride,
				from.address,
				from.stride,
				picked,
				weight,
				count,
				1,
				width,
				epsilon,
			)
			return
		}
		this.#kernels.layerNorm(
			to.address,
			to.stride,
			from.address,
			from.stride,
			picked,
			weight,
			this.#weight(norm.bias),
			count,
			width,
			epsilon,
		)
	}

	/** Heads side by side from a column on, each normalized by itself. */
	#normHeads(x: RowBuffer, column: number, heads: number, norm: Norm): void {
		const rows = this.matrix(x)
		const address = rows.address + column * 4
		this.#kernels.rmsNorm(
			address,
			rows.stride,
			address,
			rows.stride,
			0,
			this.#weight(norm.weight),
			this.#rowCount,
			heads,
			norm.width,
			norm.epsilon,
		)
	}

	#linear(
		out: RowBuffer,
		x: RowBuffer,
		{ weight, bias }: Linear,
		count: number,
		accumulate: 0 | 1,
	): void {
		const to = this.matrix(out)
		const from = this.matrix(x)
		this.#kernels.matmul(
			this.#dtype,
			to.address,
			to.stride,
			from.address,
			from.stride,
			this.#weight(weight),
			this.#weight(bias),
			count,
			weight.inputs,
			weight.outputs,
			accumulate,
			this.#scratch.address,
		)
	}

	/** Where a learned number lies; 0 = nowhere, which kernels take for 1. */
	#factor(factor: Factor | null): Address {
		return factor === null ? 0 : this.#weight(factor.numbers) + factor.at * 4
	}

	/** Where a slot lies; 0 = nowhere, which kernels take for absent. */
	#weight(slot: Slot | null): Address {
		return slot === null ? 0 : this.#weights[slot.index]!
	}
}
