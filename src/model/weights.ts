import { type Kernels, kernelDtypes, pointerOf } from '../kernels/binding.ts'
import { assert } from '../lib/assert.ts'
import type { Dtype, ModelConfig } from './model-config.ts'
import { type ModelTensors, modelTensors } from './tensor-specs.ts'

/** Cache line: every slot starts on one. */
const ALIGNMENT = 64

/** Where each slot of a model lies in its arena. A pure function of config and dtype. */
export interface WeightLayout {
	readonly config: ModelConfig
	readonly dtype: Dtype
	readonly tensors: ModelTensors
	/** Byte offset of each slot from the arena's aligned base. */
	readonly offsets: ReadonlyMap<string, number>
	/** Inputs and outputs of the packed slots. */
	readonly matrices: ReadonlyMap<string, { readonly k: number; readonly n: number }>
	/** Bytes to allocate for the arena, room for aligning its base included. */
	readonly totalBytes: number
}

export function weightLayout(kernels: Kernels, config: ModelConfig, dtype: Dtype): WeightLayout {
	const tensors = modelTensors(config)
	const offsets = new Map<string, number>()
	const matrices = new Map<string, { k: number; n: number }>()
	let bytes = 0
	for (const slot of tensors.slots) {
		offsets.set(slot.name, bytes)
		if (slot.kind === 'plain') {
			bytes += slot.floats * 4
		} else {
			matrices.set(slot.name, { k: slot.k, n: slot.n })
			bytes += kernels.packedBytes(kernelDtypes[dtype], slot.k, slot.n)
		}
		bytes = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
	}
	return { config, dtype, tensors, offsets, matrices, totalBytes: bytes + ALIGNMENT }
}

/** First aligned address of an arena: the same in every thread that shares it. */
export function arenaBase(arena: SharedArrayBuffer): number {
	const address = pointerOf(new Uint8Array(arena))
	return Math.ceil(address / ALIGNMENT) * ALIGNMENT
}

/**
 * Puts a checkpoint tensor, or the rows of it from `firstRow` on, into its place of a zero-filled arena
 * of `layout.totalBytes`. The caller has verified the tensor's shape and that its numbers are finite;
 * `data` is row-major f32, whole rows.
 */
export function packTensor(
	kernels: Kernels,
	layout: WeightLayout,
	arena: SharedArrayBuffer,
	name: string,
	data: Float32Array,
	firstRow = 0,
): void {
	const spec = layout.tensors.tensors.get(name)
	assert(spec, `tensor ${name} belongs to the model`)
	const { target } = spec
	const slotOffset = layout.offsets.get(target.slot)
	assert(slotOffset !== undefined, `slot ${target.slot} exists`)
	const base = arenaBase(arena)
	const rowLength = spec.shape.slice(1).reduce((product, size) => product * size, 1)
	if (target.kind === 'plain') {
		const arenaStart = base - pointerOf(new Uint8Array(arena))
		const floats = target.offset + firstRow * rowLength
		new Float32Array(arena, arenaStart + slotOffset + floats * 4, data.length).set(data)
		return
	}
	const matrix = layout.matrices.get(target.slot)
	assert(matrix, `slot ${target.slot} is packed`)
	kernels.pack(
		kernelDtypes[layout.dtype],
		base + slotOffset,
		pointerOf(data),
		target.columnStart + firstRow,
		data.length / rowLength,
		matrix.k,
		matrix.n,
	)
}
