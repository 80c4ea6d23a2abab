/** Memory that kernels work on: arrays together with their addresses. */
import { type Address, panelColumns, pointerOf } from './binding.ts'

/** Cache line: packed weights, KV blocks and rows of activations start on one. */
export const alignmentBytes = 64

/** An array with its address, which is valid for as long as the array is reachable. */
export interface Pinned<T extends NodeJS.TypedArray> {
	readonly array: T
	readonly address: Address
}

/** Pins an array that is not empty. */
export function pinned<T extends NodeJS.TypedArray>(array: T): Pinned<T> {
	return { array, address: pointerOf(array) }
}

/** Zeroed floats at an aligned address. Untouched pages cost no memory. */
export function alignedFloats(length: number): Pinned<Float32Array> {
	const buffer = new Float32Array(length + alignmentBytes / 4)
	const misaligned = pointerOf(buffer) % alignmentBytes
	const skip = misaligned === 0 ? 0 : (alignmentBytes - misaligned) / 4
	return pinned(buffer.subarray(skip, skip + length))
}

/** Floats from one row to the next: kernels may write a row up to its stride. */
export function rowStride(columns: number): number {
	return Math.ceil(columns / panelColumns) * panelColumns
}

/** Activations or logits, [rows, columns] at the stride that the kernels want. */
export class Matrix {
	readonly array: Float32Array
	readonly address: Address
	readonly columns: number
	/** Floats from one row to the next. */
	readonly stride: number

	constructor(rows: number, columns: number) {
		this.columns = columns
		this.stride = rowStride(columns)
		const { array, address } = alignedFloats(rows * this.stride)
		this.array = array
		this.address = address
	}

	/** Address of a row's first number. */
	rowAddress(row: number): Address {
		return this.address + row * this.stride * 4
	}

	/** A row's numbers, [columns]; a view. */
	row(row: number): Float32Array {
		const start = row * this.stride
		return this.array.subarray(start, start + this.columns)
	}
}
