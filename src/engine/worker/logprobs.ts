/** Log-probabilities of the raw distribution: read from rows of logits before sampling edits them. */
import type { Kernels } from '../../kernels/binding.ts'
import { type Matrix, pinned } from '../../kernels/buffer.ts'
import { TOP_LOGPROBS_MAX, type TokenLogprob } from '../generation.ts'
import type { Span } from './scheduler.ts'
import type { Sequence } from './sequence.ts'

/** A row as it was before the draw from it. */
export interface RawRow {
	readonly logits: Float32Array
	readonly logSumExp: number
	/** Most likely tokens, best first. */
	readonly top: TokenLogprob['top']
}

export class LogprobReader {
	readonly #kernels: Kernels
	/** [rows, vocabSize] */
	readonly #logits: Matrix
	/** Ids that can be an alternative: those below it. */
	readonly #tokenCount: number
	readonly #topIds = pinned(new Int32Array(TOP_LOGPROBS_MAX))
	readonly #topValues = pinned(new Float32Array(TOP_LOGPROBS_MAX))
	/** Scores of the prompts that are being read; an entry goes with its sequence. */
	readonly #promptScores = new WeakMap<Sequence, (TokenLogprob | null)[]>()

	constructor(kernels: Kernels, logits: Matrix, tokenCount: number) {
		this.#kernels = kernels
		this.#logits = logits
		this.#tokenCount = tokenCount
	}

	/** Keeps of a row what the log-probability of a token yet to be drawn needs; null when none was asked for. */
	beforeDraw(sequence: Sequence, logitsRow: number): RawRow | null {
		const { logprobs } = sequence.request
		if (logprobs === null) return null
		const row = this.#logits.row(logitsRow)
		return this.#read(logitsRow, logprobs, sequence.editsLogits ? row.slice() : row)
	}

	/** Scores the prompt tokens that the span's rows predict: the row at position p tells of token p + 1. */
	scorePrompt({ sequence, window, logits }: Span): void {
		const { promptLogprobs } = sequence.request
		if (promptLogprobs === null || logits === null) return
		const scores = this.#promptScores.get(sequence) ?? [null]
		this.#promptScores.set(sequence, scores)
		for (let i = 0; i < logits.count; i++) {
			const next = window.computed + i + 1
			if (next >= sequence.promptLength) break
			const row = logits.first + i
			scores.push(
				logprobOf(this.#read(row, promptLogprobs, this.#logits.row(row)), window.tokens[next]!),
			)
		}
	}

	/** The scores of a prompt, the first of them null; null when they were not asked for. */
	promptScores(sequence: Sequence): readonly (TokenLogprob | null)[] | null {
		return this.#promptScores.get(sequence) ?? null
	}

	#read(logitsRow: number, alternatives: number, logits: Float32Array): RawRow {
		const tokenCount = this.#tokenCount
		const row = this.#logits.rowAddress(logitsRow)
		const logSumExp = this.#kernels.logSumExp(row, this.#logits.columns)
		const k = Math.min(alternatives, tokenCount, TOP_LOGPROBS_MAX)
		if (k > 0) {
			this.#kernels.topK(row, tokenCount, k, this.#topIds.address, this.#topValues.address)
		}
		const top = Array.from({ length: k }, (_, i) => {
			return [this.#topIds.array[i]!, this.#topValues.array[i]! - logSumExp] as const
		})
		return { logits, logSumExp, top }
	}
}

/** The log-probability that the row gave to a token, and the token's rank. */
export function logprobOf({ logits, logSumExp, top }: RawRow, tokenId: number): TokenLogprob {
	const place = top.findIndex(([id]) => id === tokenId)
	const rank = place >= 0 ? place + 1 : rankIn(logits, tokenId)
	return { logprob: logits[tokenId]! - logSumExp, rank, top }
}

/** 1 + how many logits are greater, or equal with a lower id. */
function rankIn(logits: Float32Array, tokenId: number): number {
	const logit = logits[tokenId]!
	let rank = 1
	for (let id = 0; id < logits.length; id++) {
		const other = logits[id]!
		if (other > logit || (other === logit && id < tokenId)) rank++
	}
	return rank
}
