/*
 * Which rows run in the next step: continuous batching at token granularity. Decoding sequences
 * first, one row each; then chunks of what has to be read, first come, first served: rolled windows
 * and new prompts, half of the rows for each. Pure bookkeeping: no FFI, no clock, no promises.
 */

import { kvBlockTokens } from '../../kernels/binding.ts'
import type { Batch } from '../../model/batch.ts'
import type { KvCache } from './kv-cache.ts'
import type { Sequence } from './sequence.ts'

export interface SchedulerLimits {
	/** Rows of one step. */
	readonly rowsMax: number
	/** Sequences that run at once. */
	readonly sequencesMax: number
	/**
	 * Rows of a step that may read while other sequences are decoding; as many as sequences run, if
	 * those are more. A sequence that rolls reads half a window for half a window of new tokens, one
	 * row per token: with fewer rows the reading would never catch up.
	 */
	readonly readingRowsMax: number
}

/** One sequence's part of a step: consecutive rows. */
export interface Span {
	readonly sequence: Sequence
	/** Rows of this step. */
	readonly count: number
	/** Index of the first row in the batch. */
	readonly firstRow: number
	/** Index among the step's logits of this span's first wanted row; -1 = none. */
	readonly firstLogits: number
	/** The span ends at the window's end: a token is drawn from its last row. */
	readonly draws: boolean
}

export class Scheduler {
	readonly #cache: KvCache
	readonly #limits: SchedulerLimits
	#waiting: Sequence[] = []
	/** In the order in which they became ready to read: admitted, or rolled. */
	#running: Sequence[] = []
	/** Waiting sequences that found no room when the last step was scheduled. */
	#withoutRoom = 0
	/** Requests whose first choice still reads the prompt that the others will share. */
	readonly #readingPrompt = new Set<number>()

	constructor(cache: KvCache, limits: SchedulerLimits) {
		this.#cache = cache
		this.#limits = limits
	}

	get runningCount(): number {
		return this.#running.length
	}

	get waitingCount(): number {
		return this.#waiting.length
	}

	/** Waiting sequences but new ones and those that will share a prompt which is being read. */
	get withoutRoomCount(): number {
		return Math.min(this.#withoutRoom, this.#waiting.length)
	}

	get hasSequences(): boolean {
		return this.#running.length + this.#waiting.length > 0
	}

	/** Queues the choices of a request, in choice order. */
	submit(sequences: readonly Sequence[]): void {
		const [first] = sequences
		if (!first) return
		if (sequences.length > 1) this.#readingPrompt.add(first.requestId)
		this.#waiting.push(...sequences)
	}

	/** Every sequence that has not finished. */
	all(): Sequence[] {
		return [...this.#running, ...this.#waiting]
	}

	/** The sequences of a request that have not finished. */
	find(requestId: number): Sequence[] {
		return this.all().filter((s) => s.requestId === requestId)
	}

	/** Starts a full window anew with its last half, behind those that rolled before. */
	roll(sequence: Sequence): void {
		sequence.roll(this.#cache)
		this.#running = this.#running.filter((other) => other !== sequence)
		this.#running.push(sequence)
	}

	/** Takes a sequence out of the batch and frees its blocks. */
	finish(sequence: Sequence): void {
		sequence.releaseBlocks(this.#cache)
		this.#running = this.#running.filter((other) => other !== sequence)
		this.#waiting = this.#waiting.filter((other) => other !== sequence)
		if (sequence.choice === 0) this.#readingPrompt.delete(sequence.requestId)
	}

	/** The prompt has been read: the other choices of the request can share its blocks. */
	promptDone(sequence: Sequence): void {
		sequence.hasReportedPrompt = true
		if (sequence.choice === 0) this.#readingPrompt.delete(sequence.requestId)
	}

	/**
	 * Fills the batch with the next step's rows; empty when nothing can run now. Prompts are read in
	 * small chunks while others decode, here or, when `othersWait`, on another model.
	 */
	schedule(batch: Batch, othersWait = false): Span[] {
		batch.clear()
		this.#admit()
		const spans: Span[] = []
		const decoding = this.#running.filter((s) => s.isDecoding && s.blockCount > 0)
		for (const sequence of decoding) {
			if (batch.rowCount === this.#limits.rowsMax) break
			if (!sequence.awaitsMask) spans.push(addSpan(batch, sequence, 1))
		}
		const free = this.#limits.rowsMax - batch.rowCount
		const isAlone = decoding.length === 0 && !othersWait
		const beside = Math.max(this.#limits.readingRowsMax, this.#running.length)
		const budget = isAlone ? free : Math.min(free, beside)
		const reading = this.#running.filter((s) => !s.isDecoding && s.blockCount > 0)
		const rolled = reading.filter((s) => s.hasReportedPrompt)
		const prompts = reading.filter((s) => !s.hasReportedPrompt)
		// Streams under way go on first; half of the rows are kept for prompts, so that neither starves.
		const wanted = prompts.reduce((sum, { remaining }) => sum + remaining, 0)
		const kept = Math.min(wanted, Math.ceil(budget / 2))
		const begin = batch.rowCount
		spans.push(...addChunks(batch, rolled, budget - kept))
		spans.push(...addChunks(batch, prompts, budget - (batch.rowCount - begin)))
		return spans
	}

	/** Blocks first for sequences that rolled, then for the longest waiting. */
	#admit(): void {
		for (const sequence of this.#running) {
			if (sequence.blockCount > 0 || sequence.acquireBlocks(this.#cache)) continue
			this.#withoutRoom = this.#waiting.filter((s) => !this.#sharesLater(s)).length
			return
		}
		const stillWaiting: Sequence[] = []
		let isFull = false
		this.#withoutRoom = 0
		for (const sequence of this.#waiting) {
			isFull ||= this.#running.length === this.#limits.sequencesMax
			const sharesLater = this.#sharesLater(sequence)
			if (isFull || sharesLater || !this.#start(sequence)) {
				stillWaiting.push(sequence)
				if (sharesLater) continue
				// Nobody overtakes a sequence that waits for blocks.
				isFull = true
				this.#withoutRoom++
			}
		}
		this.#waiting = stillWaiting
	}

	/** The sequence waits for a sibling to read the prompt of both. */
	#sharesLater({ choice, requestId }: Sequence): boolean {
		return choice > 0 && this.#readingPrompt.has(requestId)
	}

	#start(sequence: Sequence): boolean {
		if (!sequence.acquireBlocks(this.#cache)) return false
		sequence.cachedTokens = sequence.computed
		this.#running.push(sequence)
		return true
	}
}

/** Adds what the sequences have to read, in their order, up to so many rows. */
function addChunks(batch: Batch, sequences: readonly Sequence[], rows: number): Span[] {
	const spans: Span[] = []
	let left = rows
	for (const sequence of sequences) {
		if (left === 0) break
		const count = Math.min(sequence.remaining, left)
		if (count === sequence.remaining && sequence.awaitsMask) continue
		spans.push(addSpan(batch, sequence, count))
		left -= count
	}
	return spans
}

/** Adds a sequence's next `count` tokens as one span of rows. */
function addSpan(batch: Batch, sequence: Sequence, count: number): Span {
	const { computed, window, blocks } = sequence
	const firstRow = batch.rowCount
	batch.addSpan(count, computed, blocks, Math.ceil((computed + count) / kvBlockTokens))
	const draws =
		sequence.purpose === 'generate' &&
		sequence.request.maxTokens > 0 &&
		computed + count === sequence.length
	let firstLogits = -1
	for (let i = 0; i < count; i++) {
		const position = computed + i
		const block = blocks[Math.floor(position / kvBlockTokens)]!
		batch.addRow(window[position]!, position, block * kvBlockTokens + (position % kvBlockTokens))
		const isDrawn = draws && i === count - 1
		if (sequence.scoresPrompt || isDrawn) {
			const index = batch.wantLogits()
			if (firstLogits < 0) firstLogits = index
		}
	}
	return { sequence, count, firstRow, firstLogits, draws }
}
