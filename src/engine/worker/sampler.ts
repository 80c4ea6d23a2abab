/*
 * From logits to tokens. What touches the whole vocabulary runs in kernels; here are the sparse
 * edits (penalties, bias, stop ids) and the gathering of one kernel call for all rows of a step.
 */
import { type Kernels, pointerOf } from '../../kernels/binding.ts'
import type { Gpt } from '../../model/gpt.ts'
import { TOP_LOGPROBS_MAX, type TokenLogprob } from '../generation.ts'
import type { Sequence } from './sequence.ts'

export class Sampler {
	readonly #kernels: Kernels
	readonly #gpt: Gpt
	/** One entry per drawn row: logits row, parameters, draw position; then the result. */
	readonly #rows: Int32Array
	readonly #temperatures: Float32Array
	readonly #topKs: Int32Array
	readonly #topPs: Float32Array
	readonly #minPs: Float32Array
	readonly #seeds: Uint32Array
	readonly #choices: Int32Array
	readonly #counters: Int32Array
	readonly #tokenIds: Int32Array
	readonly #scratch: Uint8Array
	readonly #topIds = new Int32Array(TOP_LOGPROBS_MAX)
	readonly #topValues = new Float32Array(TOP_LOGPROBS_MAX)
	/** Addresses of the buffers, as the kernels take them. */
	readonly #pointers: Readonly<
		Record<
			| 'rows'
			| 'temperatures'
			| 'topKs'
			| 'topPs'
			| 'minPs'
			| 'seeds'
			| 'choices'
			| 'counters'
			| 'tokenIds'
			| 'scratch'
			| 'topIds'
			| 'topValues',
			number
		>
	>
	#count = 0

	constructor(kernels: Kernels, gpt: Gpt, sequencesMax: number) {
		this.#kernels = kernels
		this.#gpt = gpt
		this.#rows = new Int32Array(sequencesMax)
		this.#temperatures = new Float32Array(sequencesMax)
		this.#topKs = new Int32Array(sequencesMax)
		this.#topPs = new Float32Array(sequencesMax)
		this.#minPs = new Float32Array(sequencesMax)
		this.#seeds = new Uint32Array(sequencesMax * 2)
		this.#choices = new Int32Array(sequencesMax)
		this.#counters = new Int32Array(sequencesMax)
		this.#tokenIds = new Int32Array(sequencesMax)
		this.#scratch = new Uint8Array(kernels.sampleScratchBytes(gpt.config.vocabSize))
		this.#pointers = {
			rows: pointerOf(this.#rows),
			temperatures: pointerOf(this.#temperatures),
			topKs: pointerOf(this.#topKs),
			topPs: pointerOf(this.#topPs),
			minPs: pointerOf(this.#minPs),
			seeds: pointerOf(this.#seeds),
			choices: pointerOf(this.#choices),
			counters: pointerOf(this.#counters),
			tokenIds: pointerOf(this.#tokenIds),
			scratch: pointerOf(this.#scratch),
			topIds: pointerOf(this.#topIds),
			topValues: pointerOf(this.#topValues),
		}
	}

	/** Begins a step's draws. */
	clear(): void {
		this.#count = 0
	}

	/** Adds a draw for a sequence from one row of logits, which its edits change. Returns its index. */
	add(sequence: Sequence, logitsRow: number): number {
		const { sampling } = sequence.request
		this.#edit(sequence, logitsRow)
		const i = this.#count++
		this.#rows[i] = logitsRow
		this.#temperatures[i] = sampling.temperature
		this.#topKs[i] = sampling.topK
		this.#topPs[i] = sampling.topP
		this.#minPs[i] = sampling.minP
		this.#seeds[i * 2] = sampling.seed % 2 ** 32
		this.#seeds[i * 2 + 1] = Math.floor(sampling.seed / 2 ** 32)
		this.#choices[i] = sequence.choice
		this.#counters[i] = sequence.generatedCount
		return i
	}

	/** Draws all added rows; the result is indexed as `add` said and valid until the next call. */
	draw(): Int32Array {
		const p = this.#pointers
		if (this.#count > 0) {
			this.#kernels.sample(
				p.tokenIds,
				this.#gpt.logitsPointer,
				this.#gpt.logitStride,
				this.#gpt.config.vocabSize,
				this.#count,
				p.rows,
				p.temperatures,
				p.topKs,
				p.topPs,
				p.minPs,
				p.seeds,
				p.choices,
				p.counters,
				p.scratch,
			)
		}
		return this.#tokenIds
	}

	/** Log-sum-exp of a row, before `add` edits it. */
	logSumExp(logitsRow: number): number {
		return this.#kernels.logSumExp(this.#rowPointer(logitsRow), this.#gpt.config.vocabSize)
	}

	/** The `count` most likely tokens of an unedited row. */
	topLogprobs(logitsRow: number, logSumExp: number, count: number): [number, number][] {
		const { vocabSize } = this.#gpt.config
		const k = Math.min(count, vocabSize, TOP_LOGPROBS_MAX)
		if (k === 0) return []
		this.#kernels.topK(
			this.#rowPointer(logitsRow),
			vocabSize,
			k,
			this.#pointers.topIds,
			this.#pointers.topValues,
		)
		return Array.from({ length: k }, (_, i) => [this.#topIds[i]!, this.#topValues[i]! - logSumExp])
	}

	/** Raw log-probability of one token with the row's alternatives; before `add` edits the row. */
	tokenLogprob(logitsRow: number, tokenId: number, alternatives: number): TokenLogprob {
		const logSumExp = this.logSumExp(logitsRow)
		return {
			logprob: this.logit(logitsRow, tokenId) - logSumExp,
			top: this.topLogprobs(logitsRow, logSumExp, alternatives),
		}
	}

	/** A copy of a row that `add` is going to edit. */
	copyRow(logitsRow: number): Float32Array {
		const start = logitsRow * this.#gpt.logitStride
		return this.#gpt.logits.slice(start, start + this.#gpt.config.vocabSize)
	}

	logit(logitsRow: number, tokenId: number): number {
		return this.#gpt.logits[logitsRow * this.#gpt.logitStride + tokenId]!
	}

	#rowPointer(logitsRow: number): number {
		return this.#gpt.logitsPointer + logitsRow * this.#gpt.logitStride * 4
	}

	/** Penalties, then bias, then what must not be drawn now. */
	#edit(sequence: Sequence, logitsRow: number): void {
		const { sampling, stopTokenIds, minTokens } = sequence.request
		const { logits, logitStride, config } = this.#gpt
		const base = logitsRow * logitStride
		const counts = sequence.generatedCounts
		if (counts) {
			if (sampling.repetitionPenalty !== 1) {
				for (const tokenId of sequence.seenTokens()) {
					const logit = logits[base + tokenId]!
					logits[base + tokenId] =
						logit > 0 ? logit / sampling.repetitionPenalty : logit * sampling.repetitionPenalty
				}
			}
			for (const [tokenId, count] of counts) {
				logits[base + tokenId]! -= sampling.presencePenalty + sampling.frequencyPenalty * count
			}
		}
		for (const [tokenId, bias] of sampling.logitBias) logits[base + tokenId]! += bias
		if (sequence.generatedCount < minTokens) {
			for (const tokenId of stopTokenIds) logits[base + tokenId] = -Infinity
		}
		if (sequence.mask) {
			this.#kernels.maskLogits(
				this.#rowPointer(logitsRow),
				pointerOf(sequence.mask),
				config.vocabSize,
			)
		}
	}
}
