/*
 * From logits to tokens. What touches the whole vocabulary runs in kernels; here are the sparse
 * edits (penalties, bias, stop ids) and the gathering of one kernel call for all rows of a step.
 */
import { type Kernels, pointerOf } from '../../kernels/binding.ts'
import { type Matrix, pinned } from '../../kernels/buffer.ts'
import type { Sequence } from './sequence.ts'

export class Sampler {
	readonly #kernels: Kernels
	/** [rows, vocabSize] */
	readonly #logits: Matrix
	/** Ids that can be drawn: those below it. */
	readonly #tokenCount: number
	/** One entry per drawn row: logits row, parameters, draw position; then the result. */
	readonly #rows
	readonly #temperatures
	readonly #topKs
	readonly #topPs
	readonly #minPs
	/** Low and high half of each seed. */
	readonly #seeds
	readonly #choices
	readonly #counters
	readonly #tokenIds
	readonly #scratch
	#count = 0

	constructor(
		kernels: Kernels,
		logits: Matrix,
		{ tokenCount, rowsMax }: { readonly tokenCount: number; readonly rowsMax: number },
	) {
		this.#kernels = kernels
		this.#logits = logits
		this.#tokenCount = tokenCount
		this.#rows = pinned(new Int32Array(rowsMax))
		this.#temperatures = pinned(new Float32Array(rowsMax))
		this.#topKs = pinned(new Int32Array(rowsMax))
		this.#topPs = pinned(new Float32Array(rowsMax))
		this.#minPs = pinned(new Float32Array(rowsMax))
		this.#seeds = pinned(new Uint32Array(rowsMax * 2))
		this.#choices = pinned(new Int32Array(rowsMax))
		this.#counters = pinned(new Int32Array(rowsMax))
		this.#tokenIds = pinned(new Int32Array(rowsMax))
		this.#scratch = pinned(new Uint8Array(kernels.sampleScratchBytes(tokenCount)))
	}

	/** Begins a step's draws. */
	clear(): void {
		this.#count = 0
	}

	/**
	 * Adds a draw for a sequence from one row of logits, which its edits change: of its next token, or of one
	 * so many tokens `ahead`. Returns its index.
	 */
	add(sequence: Sequence, logitsRow: number, ahead = 0): number {
		const { sampling } = sequence.request
		this.#edit(sequence, logitsRow)
		const i = this.#count++
		this.#rows.array[i] = logitsRow
		this.#temperatures.array[i] = sampling.temperature
		this.#topKs.array[i] = sampling.topK
		this.#topPs.array[i] = sampling.topP
		this.#minPs.array[i] = sampling.minP
		this.#seeds.array[i * 2] = sampling.seed % 2 ** 32
		this.#seeds.array[i * 2 + 1] = Math.floor(sampling.seed / 2 ** 32)
		this.#choices.array[i] = sequence.choice
		this.#counters.array[i] = sequence.generatedCount + ahead
		return i
	}

	/** Draws all added rows; the result is indexed as `add` said and valid until the next call. */
	draw(): Int32Array {
		if (this.#count > 0) {
			this.#kernels.sample(
				this.#tokenIds.address,
				this.#logits.address,
				this.#logits.stride,
				this.#tokenCount,
				this.#count,
				this.#rows.address,
				this.#temperatures.address,
				this.#topKs.address,
				this.#topPs.address,
				this.#minPs.address,
				this.#seeds.address,
				this.#choices.address,
				this.#counters.address,
				this.#scratch.address,
			)
		}
		return this.#tokenIds.array
	}

	/** Penalties, then bias, then what must not be drawn now. */
	#edit(sequence: Sequence, logitsRow: number): void {
		if (!sequence.editsLogits) return
		const { sampling, stopTokenIds, minTokens } = sequence.request
		const logits = this.#logits.row(logitsRow)
		const counts = sequence.generatedCounts
		if (counts) {
			if (sampling.repetitionPenalty !== 1) {
				for (const tokenId of sequence.seenTokens()) {
					const logit = logits[tokenId]!
					logits[tokenId] =
						logit > 0 ? logit / sampling.repetitionPenalty : logit * sampling.repetitionPenalty
				}
			}
			for (const [tokenId, count] of counts) {
				logits[tokenId]! -= sampling.presencePenalty + sampling.frequencyPenalty * count
			}
		}
		for (const [tokenId, bias] of sampling.logitBias) logits[tokenId]! += bias
		if (sequence.generatedCount < minTokens) {
			for (const tokenId of stopTokenIds) logits[tokenId] = -Infinity
		}
		if (sequence.mask) {
			const row = this.#logits.rowAddress(logitsRow)
			this.#kernels.maskLogits(row, pointerOf(sequence.mask), this.#tokenCount)
		}
	}
}
