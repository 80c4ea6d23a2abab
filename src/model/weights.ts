/** The memory of a model's weights: where each slot lies, and how tensors get there. */
import { type Address, type Kernels, kernelDtypes, pointerOf } from '../kernels/binding.ts'
import { alignmentBytes } from '../kernels/buffer.ts'
import { assert } from '../lib/assert.ts'
import type { Network } from './families/family.ts'
import { networkOf } from './families.ts'
import type { Dtype, ModelConfig } from './model-config.ts'

/** Where each slot of a model lies in its arena. A pure function of config and dtype. */
export interface WeightLayout {
	readonly config: ModelConfig
	readonly dtype: Dtype
	readonly network: Network
	/** Byte offset of each slot from the arena's aligned base, by the slot's index. */
	readonly offsets: readonly number[]
	/** Bytes to allocate for the arena, room for aligning its base included. */
	readonly totalBytes: number
}

export function weightLayout(kernels: Kernels, config: ModelConfig, dtype: Dtype): WeightLayout {
	const network = networkOf(config)
	const offsets: number[] = []
	let bytes = 0
	for (const slot of network.slots) {
		offsets.push(bytes)
		bytes +=
			slot.kind === 'plain'
				? slot.floats * 4
				: kernels.packedBytes(kernelDtypes[dtype], slot.inputs, slot.outputs)
		bytes = Math.ceil(bytes / alignmentBytes) * alignmentBytes
	}
	return { config, dtype, network, offsets, totalBytes: bytes + alignmentBytes }
}

/** First aligned address of an arena: the same in every thread that shares it. */
export function arenaBase(arena: SharedArrayBuffer): Address {
	const address = pointerOf(new Uint8Array(arena))
	return Math.ceil(address / alignmentBytes) * alignmentBytes
}

/** Which rows of a tensor some numbers are. */
export interface TensorRows {
	/** Of a transposed tensor a multiple of 256. */
	readonly firstRow: number
	/** Rows are inputs, [in, out], and not outputs. */
	readonly isTransposed: boolean
}

/**
 * Puts a checkpoint tensor, or the rows of it from `firstRow` on, into its places of a zero-filled arena
 * of `layout.totalBytes`. The caller has verified the tensor's shape and that its numbers are finite;
 * `data` is row-major f32, whole rows.
 */
export function packTensor(
	kernels: Kernels,
	layout: WeightLayout,
	arena: SharedArrayBuffer,
	name: string,
	data: Float32Array,
	{ firstRow, isTransposed }: TensorRows = { firstRow: 0, isTransposed: false },
): void {
	const spec = layout.network.tensors.get(name)
	assert(spec, `tensor ${name} belongs to the model`)
	const base = arenaBase(arena)
	const arenaStart = pointerOf(new Uint8Array(arena))
	const dtype = kernelDtypes[layout.dtype]
	const rowLength = spec.shape.slice(1).reduce((product, size) => product * size, 1)
	const endRow = firstRow + data.length / rowLength
	for (const { slot, moves } of spec.placements) {
		const address = base + layout.offsets[slot.index]!
		for (const move of moves) {
			if (isTransposed) {
				assert(slot.kind === 'packed', 'only matrices are stored transposed')
				const [outputs] = spec.shape as [number]
				const columns = pointerOf(data.subarray(move.firstRow))
				const inputs = data.length / outputs
				const { at, rows } = move
				kernels.packInputs(
					dtype,
					address,
					columns,
					outputs,
					firstRow,
					inputs,
					at,
					rows,
					slot.inputs,
				)
				continue
			}
			const from = Math.max(firstRow, move.firstRow)
			const to = Math.min(endRow, move.firstRow + move.rows)
			if (from >= to) continue
			const rows = data.subarray((from - firstRow) * rowLength, (to - firstRow) * rowLength)
			const skipped = from - move.firstRow
			if (slot.kind === 'packed') {
				kernels.pack(dtype, address, pointerOf(rows), move.at + skipped, to - from, slot.inputs)
			} else {
				const start = address - arenaStart + (move.at + skipped * rowLength) * 4
				new Float32Array(arena, start, rows.length).set(rows)
			}
		}
	}
}
