/*
 * Which rows run in the next step, and what becomes of a sequence after it: continuous batching at
 * token granularity. Decoding sequences come first, one row each; then chunks of what has to be read,
 * first come, first served: windows that follow full ones and new prompts, half of the rows for each.
 * Pure bookkeeping: no FFI, no clock, no promises.
 */

import { kvBlockTokens } from '../../kernels/binding.ts'
import type { Batch } from '../../model/batch.ts'
import type { FinishReason } from '../generation.ts'
import type { RunnerLimits } from '../messages.ts'
import type { Guesser } from './guesser.ts'
import type { KvCache } from './kv-cache.ts'
import type { Sequence } from './sequence.ts'
import type { Window } from './window.ts'

/** Rows of a next window that are read together, at least: each is cheaper beside others of its sequence. */
const AHEAD_ROWS_MIN = 4
/** Steps of those who go first between two of the others: even the smallest takes as long as some rows. */
const FIRST_STEPS_MAX = 8

export type SchedulerLimits = Pick<RunnerLimits, 'rowsMax' | 'readingRowsMax' | 'sequencesMax'>

/** One window's part of a step: consecutive rows. */
export interface Span {
	readonly sequence: Sequence
	/** That of the sequence, or its next one. */
	readonly window: Window
	/** Rows of this step. */
	readonly count: number
	/** Index of the first row in the batch. */
	readonly firstRow: number
	/** Which of the step's rows of logits are this span's, those of its last rows. */
	readonly logits: { readonly first: number; readonly count: number } | null
	/** Nothing of the sequence's window is left to be computed after it. */
	readonly endsWindow: boolean
	/** Tokens are drawn from so many of its last rows: one, and one for each token that is only guessed. */
	readonly draws: number
}

/** What a span did to its sequence. */
export interface Committed {
	/** The last token of the prompt has just been read. */
	readonly hasReadPrompt: boolean
	/** How many of the drawn tokens belong to the text: all but a stop token. */
	readonly tokenCount: number
	/** Why the sequence has ended, or null when it goes on. */
	readonly finishReason: FinishReason | null
}

export class Scheduler {
	readonly #cache: KvCache
	readonly #limits: SchedulerLimits
	readonly #guesser: Guesser | null
	#waiting: Sequence[] = []
	/** In the order in which they became ready to read: admitted, or rolled. */
	#running: Sequence[] = []
	/** Sequences that wait for their reader and hold nothing. */
	#parked: Sequence[] = []
	readonly #parkedRequests = new Set<number>()
	/** Waiting sequences that found no room when the last step was scheduled. */
	#withoutRoom = 0
	/** Rows of those who went first since the others had a step. */
	#rowsFirst = 0
	/** Requests whose first choice still reads the prompt that the others will share. */
	readonly #readingPrompt = new Set<number>()

	constructor(cache: KvCache, limits: SchedulerLimits, guesser: Guesser | null = null) {
		this.#cache = cache
		this.#limits = limits
		this.#guesser = guesser
	}

	get runningCount(): number {
		return this.#running.length
	}

	get waitingCount(): number {
		return this.#waiting.length
	}

	/**
	 * Sequences that wait because there was no place or no blocks for them. One that was submitted
	 * since the last step is not counted, nor one that waits for its sibling to read their prompt.
	 */
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
		return [...this.#running, ...this.#waiting, ...this.#parked]
	}

	/** The sequences of a request that have not finished. */
	find(requestId: number): Sequence[] {
		return this.all().filter((s) => s.requestId === requestId)
	}

	/**
	 * Fills the batch with the next step's rows; empty when nothing can run now. Prompts are read in
	 * small chunks while others decode, here or, when `othersWait`, on another model.
	 */
	schedule(batch: Batch, othersWait = false): Span[] {
		batch.clear()
		this.#admit()
		const spans: Span[] = []
		const ready = this.#running.filter((s) => s.window.hasBlocks)
		const decoding = ready.filter((s) => s.phase === 'decoding')
		const prompts = ready.filter((s) => s.phase === 'reading')
		const first = this.#goFirst(prompts, decoding.length)
		if (first.length > 0) return addChunks(batch, first, decoding.length)
		for (const [i, sequence] of decoding.entries()) {
			if (batch.rowCount === this.#limits.rowsMax) break
			if (sequence.awaitsMask) continue
			// Rows that are there already, and one for each sequence that is still to come.
			const rows = batch.rowCount + decoding.length - i
			const wanted = this.#guesser?.guess(sequence, rows, decoding.length) ?? 0
			const guesses = Math.max(0, Math.min(wanted, this.#limits.rowsMax - rows))
			spans.push(addSpan(batch, sequence, sequence.window, 1, guesses))
		}
		const free = this.#limits.rowsMax - batch.rowCount
		const isAlone = decoding.length === 0 && !othersWait
		// A stream that rolls reads half a window for half a window of new tokens, one row per token:
		// with fewer rows than streams the reading would never catch up.
		const beside = Math.max(this.#limits.readingRowsMax, this.#running.length)
		const budget = isAlone ? free : Math.min(free, beside)
		const rolled = ready.filter((s) => s.phase === 'rolled')
		// Streams under way go on first; half of the rows are kept for prompts, so that neither starves.
		const wanted = prompts.reduce((sum, { window }) => sum + window.remaining, 0)
		const kept = Math.min(wanted, Math.ceil(budget / 2))
		const begin = batch.rowCount
		const left = () => budget - (batch.rowCount - begin)
		spans.push(...addChunks(batch, rolled, left() - kept))
		const ahead = this.#readAhead(batch, decoding, left() - kept, beside)
		spans.push(...addChunks(batch, prompts, left()))
		// A sequence may roll by its own span: what was read of its next window has to be known before.
		return [...ahead, ...spans]
	}

	/**
	 * Who reads a prompt in a step of their own, so that a first token does not wait for the next ones of a crowd:
	 * those of clients that have nothing else running, while such steps take the others no longer than one of theirs.
	 * Not where weights come from memory (and tokens are guessed): few rows take as long as many there.
	 */
	#goFirst(prompts: readonly Sequence[], decodingCount: number): Sequence[] {
		const step = decodingCount / FIRST_STEPS_MAX
		let left = this.#guesser === null ? decodingCount - this.#rowsFirst : 0
		if (left < step) left = 0
		let rows = 0
		const first = prompts.filter(({ goesFirst, awaitsMask, window: { remaining } }) => {
			if (!goesFirst || awaitsMask || remaining > left - rows) return false
			rows += remaining
			return true
		})
		this.#rowsFirst = first.length === 0 ? 0 : this.#rowsFirst + Math.max(rows, step)
		return first
	}

	/**
	 * Adds rows of windows that will follow soon: as many as are needed so that all is read when they
	 * do. Begins as late as that is possible with half of the rows `beside`, for the sequence may end before.
	 */
	#readAhead(batch: Batch, decoding: readonly Sequence[], rows: number, beside: number): Span[] {
		const share = Math.min(1, (2 * this.#running.length) / beside)
		let wanted = 0
		const filling = decoding.filter((sequence) => {
			const { window, keptLength, willRoll } = sequence
			if (!willRoll || window.free > share * keptLength) return false
			if (!sequence.next && this.#withoutRoom === 0) sequence.beginNext(this.#cache)
			if (!sequence.next) return false
			wanted += (keptLength - sequence.next.computed) / window.free
			return true
		})
		const spans: Span[] = []
		let left = Math.min(rows, Math.ceil(wanted))
		for (const sequence of filling.sort((a, b) => a.window.free - b.window.free)) {
			const { window, next } = sequence
			if (!next || next.remaining < Math.min(AHEAD_ROWS_MIN, window.free)) continue
			const count = Math.min(next.remaining, left)
			if (count === 0) break
			spans.push(addSpan(batch, sequence, next, count))
			left -= count
		}
		return spans
	}

	/** Lets a request's sequences wait for their reader, without blocks, once they have read their prompt. */
	park(requestId: number): void {
		this.#parkedRequests.add(requestId)
		for (const sequence of this.#running) if (sequence.requestId === requestId) this.#park(sequence)
	}

	/** Lets them go on, before those that have not begun. */
	resume(requestId: number): void {
		this.#parkedRequests.delete(requestId)
		const resumed = this.#parked.filter((sequence) => sequence.requestId === requestId)
		this.#parked = this.#parked.filter((sequence) => sequence.requestId !== requestId)
		this.#waiting.unshift(...resumed)
	}

	/** What it has computed is read again from the cache, or anew, like a window that has rolled. */
	#park(sequence: Sequence): void {
		if (sequence.phase !== 'decoding' && sequence.phase !== 'rolled') return
		sequence.phase = 'rolled'
		sequence.releaseBlocks(this.#cache)
		this.#running = this.#running.filter((other) => other !== sequence)
		this.#parked.push(sequence)
	}

	/**
	 * Notes that a span's rows are computed and which tokens were drawn: from the last known row, and from those
	 * of guesses that came true. Spans of a step in order.
	 */
	commit(
		{ sequence, window, count, draws, endsWindow }: Span,
		drawn: readonly number[],
	): Committed {
		const guesses = Math.max(0, draws - 1)
		window.advance(count - guesses, this.#cache)
		if (!endsWindow) return { hasReadPrompt: false, tokenCount: 0, finishReason: null }
		const hasReadPrompt = sequence.phase === 'reading'
		if (hasReadPrompt) this.#letSiblingsShare(sequence)
		const { request } = sequence
		const ends = (tokenCount: number, finishReason: FinishReason) => {
			this.finish(sequence)
			return { hasReadPrompt, tokenCount, finishReason }
		}
		if (drawn.length === 0) return ends(0, 'length')
		for (const [i, tokenId] of drawn.entries()) {
			// The token before was guessed, so its row is computed as well.
			if (i > 0) window.advance(1, this.#cache)
			if (request.stopTokenIds.includes(tokenId)) return ends(i, 'stop')
			sequence.append(tokenId)
			const isCut = sequence.isFull && request.truncation === 'disabled'
			if (sequence.generatedCount === request.maxTokens || isCut) return ends(i + 1, 'length')
		}
		if (sequence.isFull) this.#roll(sequence)
		else sequence.phase = 'decoding'
		if (this.#parkedRequests.has(sequence.requestId)) this.#park(sequence)
		return { hasReadPrompt, tokenCount: drawn.length, finishReason: null }
	}

	/** Takes a sequence out of the batch and frees its blocks. */
	finish(sequence: Sequence): void {
		sequence.phase = 'finished'
		sequence.releaseBlocks(this.#cache)
		this.#running = this.#running.filter((other) => other !== sequence)
		this.#waiting = this.#waiting.filter((other) => other !== sequence)
		this.#parked = this.#parked.filter((other) => other !== sequence)
		if (this.find(sequence.requestId).length === 0) this.#parkedRequests.delete(sequence.requestId)
		this.#letSiblingsShare(sequence)
	}

	/** Goes on with the next window: at once where it is read, else behind those that rolled before. */
	#roll(sequence: Sequence): void {
		sequence.roll(this.#cache)
		const isRead = sequence.window.hasBlocks && sequence.window.remaining === 1
		sequence.phase = isRead ? 'decoding' : 'rolled'
		if (isRead) return
		this.#running = this.#running.filter((other) => other !== sequence)
		this.#running.push(sequence)
	}

	/** The first choice has read the prompt, or will not: the others need not wait for it. */
	#letSiblingsShare({ choice, requestId }: Sequence): void {
		if (choice === 0) this.#readingPrompt.delete(requestId)
	}

	/** Blocks first for sequences that rolled, then for the longest waiting. */
	#admit(): void {
		for (const sequence of this.#running) {
			if (sequence.window.hasBlocks || this.#acquire(sequence)) continue
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

	/** Blocks for a sequence, if need be those with which others read ahead. */
	#acquire(sequence: Sequence): boolean {
		if (sequence.acquireBlocks(this.#cache)) return true
		const ahead = this.#running.filter(({ next }) => next !== null)
		for (const other of ahead) other.dropNext(this.#cache)
		return ahead.length > 0 && sequence.acquireBlocks(this.#cache)
	}

	/** The sequence waits for a sibling to read the prompt of both. */
	#sharesLater({ choice, requestId }: Sequence): boolean {
		return choice > 0 && this.#readingPrompt.has(requestId)
	}

	#start(sequence: Sequence): boolean {
		if (!this.#acquire(sequence)) return false
		if (sequence.phase === 'waiting') {
			sequence.phase = 'reading'
			sequence.cachedTokens = sequence.window.computed
		}
		this.#running.push(sequence)
		return true
	}
}

/** Adds what the sequences have to read, in their order, up to so many rows. */
function addChunks(batch: Batch, sequences: readonly Sequence[], rows: number): Span[] {
	const spans: Span[] = []
	let left = rows
	for (const sequence of sequences) {
		if (left <= 0) break
		const { window } = sequence
		const count = Math.min(window.remaining, left)
		if (count === window.remaining && sequence.awaitsMask) continue
		spans.push(addSpan(batch, sequence, window, count))
		left -= count
	}
	return spans
}

/** Adds a window's next `known` tokens, and `guesses` behind its end, as one span of rows. */
function addSpan(
	batch: Batch,
	sequence: Sequence,
	window: Window,
	known: number,
	guesses = 0,
): Span {
	const { computed, tokens, blocks } = window
	const firstRow = batch.rowCount
	const count = known + guesses
	batch.addSpan(count, computed, blocks, Math.ceil((computed + count) / kvBlockTokens))
	const endsWindow = window === sequence.window && known === window.remaining
	const isDrawn = endsWindow && sequence.purpose === 'generate' && sequence.request.maxTokens > 0
	const draws = isDrawn ? 1 + guesses : 0
	const wanted = sequence.scoresPrompt ? count : draws
	const logits = wanted > 0 ? { first: batch.logitRowCount, count: wanted } : null
	if (sequence.purpose === 'embed') batch.wantsAllRows = true
	for (let i = 0; i < count; i++) {
		const position = computed + i
		const block = blocks[Math.floor(position / kvBlockTokens)]!
		const slot = block * kvBlockTokens + (position % kvBlockTokens)
		batch.addRow(tokens[position]!, position > 0 ? tokens[position - 1]! : -1, position, slot)
		if (i >= count - wanted) batch.wantLogits()
	}
	return { sequence, window, count, firstRow, logits, endsWindow, draws }
}
