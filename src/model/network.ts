/*
 * What a network consists of, as typed parts with their shapes. A family's file builds its network
 * from parts once; from these come the memory of the weights, the tensors that a checkpoint must
 * hold and where each of them goes, the buffers of the forward pass and the size of a KV block.
 */
import type { kernelActivations } from '../kernels/binding.ts'
import { rowStride } from '../kernels/buffer.ts'
import { assert } from '../lib/assert.ts'
import type { ActivationProgram } from './activation-program.ts'
import type { RotaryConfig } from './model-config.ts'
import { Rotary } from './rotary.ts'

/** A piece of the weights' memory: f32 numbers as they are, or a matrix packed for the kernels. */
export type Slot = PlainSlot | PackedSlot

export interface PlainSlot {
	readonly kind: 'plain'
	/** Place in the order in which the slots lie. */
	readonly index: number
	readonly floats: number
}

export interface PackedSlot {
	readonly kind: 'packed'
	readonly index: number
	readonly inputs: number
	readonly outputs: number
}

/** Numbers by id, [rows, columns]: one row is read at a time. */
export interface Table {
	readonly weight: PlainSlot
	readonly rows: number
	readonly columns: number
}

/** LayerNorm or RMSNorm over [width]; without a weight it only normalizes. */
export interface Norm {
	readonly kind: 'layer' | 'rms'
	readonly width: number
	readonly weight: PlainSlot | null
	readonly bias: PlainSlot | null
	readonly epsilon: number
}

/** One learned number: of a tensor that has one for each layer, for instance. */
export interface Factor {
	readonly numbers: PlainSlot
	readonly at: number
}

/** How much of some channels is added: scale · factor · sigmoid of what a row of the weight reads. */
export interface Gate {
	/** [groups, inputs] */
	readonly gate: Table
	readonly scale: number
	/** null = 1. */
	readonly factor: Factor | null
}

/** A matrix of the checkpoint's shape [outputs, inputs], and a bias [outputs]. */
export interface Linear {
	readonly weight: PackedSlot
	readonly bias: PlainSlot | null
}

/** Causal self-attention of one layer, over keys and values of its own. */
export interface Attention {
	/** Place among the layers that keep keys and values. */
	readonly index: number
	/** Heads of queries, and of keys and values, each of which serves heads / kvHeads neighbours. */
	readonly heads: number
	readonly kvHeads: number
	readonly headDim: number
	/** What scores are multiplied by. */
	readonly scale: number
	/** Scores then pass through cap · tanh(score / cap); 0 = no cap. */
	readonly softCap: number
	/** Positions that a token attends to, its own included; 0 = all up to its own. */
	readonly window: number
}

/** What turns the MLP's first projection, [width] or [2 · width] where gated, into [width]. */
export interface MlpActivation {
	readonly kind: keyof typeof kernelActivations
	readonly width: number
	/** Learned numbers per channel. */
	readonly parameters: PlainSlot | null
	readonly program: ActivationProgram | null
}

/** A buffer of the forward pass: a row of `columns` floats for each token of a step. */
export interface RowBuffer {
	readonly index: number
	readonly columns: number
}

/**
 * Rows `firstRow` … of a tensor, and where the first of them begins: at which output of a packed slot, at
 * which number of a plain one.
 */
export interface RowMove {
	readonly firstRow: number
	readonly rows: number
	readonly at: number
}

/** A tensor's rows in a slot; lists of moves are shared between layers. */
export interface Placement {
	readonly slot: Slot
	readonly moves: readonly RowMove[]
}

/** A parameter as checkpoints name it; shape [out, in], or [n]. */
export interface TensorSpec {
	readonly name: string
	readonly shape: readonly number[]
	readonly placements: readonly Placement[]
}

/** Everything that a network keeps in memory, derived from its config alone. */
export interface NetworkMemory {
	readonly slots: readonly Slot[]
	/** Tensors that a checkpoint must hold; of alternatives, all are listed. */
	readonly tensors: ReadonlyMap<string, TensorSpec>
	/**
	 * Names of which one list must be complete, as `[[wqkv], [wq, wk, wv]]` of each layer. The first
	 * complete one is read, the others are ignored.
	 */
	readonly alternatives: readonly (readonly (readonly string[])[])[]
	readonly buffers: readonly RowBuffer[]
	readonly attentions: readonly Attention[]
	/** Tables of angles, which every loaded copy has for itself. */
	readonly rotaries: readonly Rotary[]
}

/** Arrays of activation parameters are padded to this many floats, the kernels' virtual vector. */
const PARAMETER_STRIDE = 16

/** Tensor names with the rows that each gives to a matrix, from its first output on. */
type StackedRows = Readonly<Record<string, number>>

/** Collects the parts of one network in the order in which they lie in memory. */
export class NetworkBuilder {
	readonly #slots: Slot[] = []
	readonly #tensors = new Map<string, TensorSpec>()
	readonly #alternatives: (readonly (readonly string[])[])[] = []
	readonly #buffers: RowBuffer[] = []
	readonly #attentions: Attention[] = []
	readonly #rotaries: Rotary[] = []

	/** Numbers by id, [rows, columns]. */
	table(name: string, rows: number, columns: number): Table {
		return { weight: this.#plain(name, [rows, columns]), rows, columns }
	}

	/** LayerNorm with `<name>.weight` and, where it has one, `<name>.bias`, [width] each. */
	layerNorm(
		name: string,
		width: number,
		{ bias, epsilon }: { readonly bias: boolean; readonly epsilon: number },
	): Norm {
		const weight = this.#plain(`${name}.weight`, [width])
		const added = bias ? this.#plain(`${name}.bias`, [width]) : null
		return { kind: 'layer', width, weight, bias: added, epsilon }
	}

	/** RMSNorm with `<name>.weight`, [width]. */
	rmsNorm(name: string, width: number, epsilon: number): Norm {
		const weight = this.#plain(`${name}.weight`, [width])
		return { kind: 'rms', width, weight, bias: null, epsilon }
	}

	/** RMSNorm that only normalizes. */
	bareRmsNorm(width: number, epsilon: number): Norm {
		return { kind: 'rms', width, weight: null, bias: null, epsilon }
	}

	/** Learned numbers of a tensor [count]. */
	factors(name: string, count: number): readonly Factor[] {
		const numbers = this.#plain(name, [count])
		return Array.from({ length: count }, (_, at) => ({ numbers, at }))
	}

	/**
	 * Linear modules side by side: `<name>.weight` [rows, inputs] of each and, where they have one,
	 * `<name>.bias` [rows]. `moves` puts the rows of a single module into another order, or leaves some out.
	 */
	linear(
		inputs: number,
		modules: StackedRows,
		{ bias, moves }: { readonly bias: boolean; readonly moves?: readonly RowMove[] },
	): Linear {
		const names = Object.entries(modules)
		const outputs = moves
			? moves.reduce((sum, { rows }) => sum + rows, 0)
			: names.reduce((sum, [, rows]) => sum + rows, 0)
		const weight = this.#packedSlot(inputs, outputs)
		const added = bias ? this.#plainSlot(outputs) : null
		let at = 0
		for (const [name, rows] of names) {
			const placed = moves ?? [{ firstRow: 0, rows, at }]
			this.#place(`${name}.weight`, [rows, inputs], weight, placed)
			if (added) this.#place(`${name}.bias`, [rows], added, placed)
			at += rows
		}
		return { weight, bias: added }
	}

	/**
	 * A matrix of so many inputs, whose outputs are the stacked rows of the named tensors. Further
	 * alternatives say in which other pieces a checkpoint may have them. A table's name makes it share
	 * the table's numbers.
	 */
	matrix(inputs: number, ...alternatives: readonly StackedRows[]): Linear {
		const sums = alternatives.map((rows) => Object.values(rows).reduce((sum, n) => sum + n, 0))
		const outputs = sums[0]
		assert(outputs && sums.every((sum) => sum === outputs), 'alternatives stack alike')
		const weight = this.#packedSlot(inputs, outputs)
		for (const stacked of alternatives) {
			let at = 0
			for (const [name, rows] of Object.entries(stacked)) {
				this.#place(name, [rows, inputs], weight, [{ firstRow: 0, rows, at }])
				at += rows
			}
		}
		if (alternatives.length > 1) this.#alternatives.push(alternatives.map(Object.keys))
		return { weight, bias: null }
	}

	/** An activation with the tensors of its learned numbers, [1, width] each, in the kernel's order. */
	activation(
		kind: MlpActivation['kind'],
		width: number,
		parameters: readonly string[] = [],
		program: ActivationProgram | null = null,
	): MlpActivation {
		if (parameters.length === 0) return { kind, width, parameters: null, program }
		const stride = Math.ceil(width / PARAMETER_STRIDE) * PARAMETER_STRIDE
		const slot = this.#plainSlot(stride * parameters.length)
		for (const [i, name] of parameters.entries()) {
			this.#place(name, [1, width], slot, [{ firstRow: 0, rows: 1, at: i * stride }])
		}
		return { kind, width, parameters: slot, program }
	}

	/**
	 * A layer's attention, with a place of its own for keys and values. Where nothing else is said, scores
	 * are scaled by the head's size, without a cap, over the whole window.
	 */
	attention(
		shape: Pick<Attention, 'heads' | 'kvHeads' | 'headDim'> & Partial<Attention>,
	): Attention {
		const attention = {
			scale: scoreScale(shape.headDim),
			softCap: 0,
			window: 0,
			...shape,
			index: this.#attentions.length,
		}
		this.#attentions.push(attention)
		return attention
	}

	/** Angles of the positions of a context. */
	rotary(config: RotaryConfig, contextLength: number): Rotary {
		const rotary = new Rotary(config, contextLength)
		this.#rotaries.push(rotary)
		return rotary
	}

	/** A buffer of the forward pass, [rows of the step, columns]. */
	buffer(columns: number): RowBuffer {
		const buffer = { index: this.#buffers.length, columns }
		this.#buffers.push(buffer)
		return buffer
	}

	memory(): NetworkMemory {
		return {
			slots: this.#slots,
			tensors: this.#tensors,
			alternatives: this.#alternatives,
			buffers: this.#buffers,
			attentions: this.#attentions,
			rotaries: this.#rotaries,
		}
	}

	#plain(name: string, shape: readonly [number, ...number[]]): PlainSlot {
		const slot = this.#plainSlot(shape.reduce((product, size) => product * size, 1))
		this.#place(name, shape, slot, [{ firstRow: 0, rows: shape[0], at: 0 }])
		return slot
	}

	#plainSlot(floats: number): PlainSlot {
		const slot: PlainSlot = { kind: 'plain', index: this.#slots.length, floats }
		this.#slots.push(slot)
		return slot
	}

	#packedSlot(inputs: number, outputs: number): PackedSlot {
		const slot: PackedSlot = { kind: 'packed', index: this.#slots.length, inputs, outputs }
		this.#slots.push(slot)
		return slot
	}

	/** A name that is there already, as that of a table which is also the head, goes to both slots. */
	#place(name: string, shape: readonly number[], slot: Slot, moves: readonly RowMove[]): void {
		const placements = [...(this.#tensors.get(name)?.placements ?? []), { slot, moves }]
		this.#tensors.set(name, { name, shape, placements })
	}
}

/** What keeps the variance of scores at that of the queries: 1 / sqrt(headDim), in the kernels' f32. */
export function scoreScale(headDim: number): number {
	return Math.fround(1 / Math.fround(Math.sqrt(headDim)))
}

/** Floats of all buffers of the forward pass for steps of `rows` rows. */
export function bufferFloats({ buffers }: NetworkMemory, rows: number): number {
	return buffers.reduce((sum, { columns }) => sum + rows * rowStride(columns), 0)
}
