/** Embeddings of texts: the mean of the final hidden states over a text's tokens. */
import type { Matrix } from '../../kernels/buffer.ts'
import type { Span } from './scheduler.ts'
import type { Sequence } from './sequence.ts'

export class MeanHidden {
	/** [rows, width] */
	readonly #hidden: Matrix
	/** Sums over the rows computed so far, [width]; an entry goes with its sequence. */
	readonly #sums = new WeakMap<Sequence, Float32Array>()

	constructor(hidden: Matrix) {
		this.#hidden = hidden
	}

	/** Adds the hidden states of a span's rows; the mean, [width], once the text is complete, else null. */
	add({ sequence, window, firstRow, count, endsWindow }: Span): Float32Array | null {
		const sum = this.#sums.get(sequence) ?? new Float32Array(this.#hidden.columns)
		this.#sums.set(sequence, sum)
		for (let row = firstRow; row < firstRow + count; row++) {
			const hidden = this.#hidden.row(row)
			for (let i = 0; i < sum.length; i++) sum[i]! += hidden[i]!
		}
		if (!endsWindow) return null
		for (let i = 0; i < sum.length; i++) sum[i]! /= window.length
		return sum
	}
}
