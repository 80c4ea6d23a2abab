/** Tensors whose rows are stored in another order than a network has them. */
import type { TensorReader } from './types.ts'

/** Rows in groups of so many; row `i` of a group is the stored row `storedRow(i)` of it. */
export interface RowOrder {
	readonly groupRows: number
	storedRow(row: number): number
}

/**
 * Rows of queries or keys for rotary positions that turn neighbours, as of the original Llama: the halves of
 * each head are interleaved.
 */
export function interleavedHalves(headDim: number): RowOrder {
	const half = headDim / 2
	return {
		groupRows: headDim,
		storedRow: (row) => (row % half) * 2 + Math.floor(row / half),
	}
}

/** Reads a tensor's rows in the network's order; one group is held at a time. */
export function reordered(
	reader: TensorReader,
	[rows, ...inner]: readonly number[],
	{ groupRows, storedRow }: RowOrder,
): TensorReader {
	const length = inner.reduce((product, size) => product * size, 1)
	const group = new Float32Array(Math.min(groupRows, rows!) * length)
	let row = 0
	return {
		read(out) {
			for (let to = 0; to < out.length; to += length, row++) {
				const within = row % groupRows
				if (within === 0) reader.read(group)
				const from = storedRow(within) * length
				out.set(group.subarray(from, from + length), to)
			}
		},
		expectEnd: () => reader.expectEnd(),
	}
}
