/*
 * One loaded model at work. `step` is the whole loop: schedule, forward, sample, commit. Token ids
 * in, what happened out; nothing here knows text.
 */
import { type Kernels, kvBlockTokens } from '../../kernels/binding.ts'
import { assert } from '../../lib/assert.ts'
import { Gpt } from '../../model/gpt.ts'
import { kvBlockBytes } from '../../model/ops.ts'
import { weightLayout } from '../../model/weights.ts'
import type { GenerationRequest, TokenLogprob } from '../generation.ts'
import { kvBlockCount } from '../memory.ts'
import type { Activity, LoadModel, StepReport } from '../messages.ts'
import type { SentRow } from '../sent-rows.ts'
import { Guesser } from './guesser.ts'
import { KvCache } from './kv-cache.ts'
import { LikelyTokens } from './likely-tokens.ts'
import { LogprobReader, logprobOf } from './logprobs.ts'
import { MeanHidden } from './mean-hidden.ts'
import { Sampler } from './sampler.ts'
import { Scheduler, type Span } from './scheduler.ts'
import { Sequence } from './sequence.ts'
import { StepCosts } from './step-costs.ts'
import { StepThreads } from './step-threads.ts'
import { TokenRows } from './token-rows.ts'

/** Keys and values that a model keeps for prompts that begin alike: when it rests, and after a moment without work. */
const RESTING_KV_BYTES = 2 ** 23
const PAUSING_KV_BYTES = 2 ** 26
/** After a moment at least so many whole contexts stay, of those who may go on with their conversation. */
const PAUSING_CONTEXTS = 2

/** Told what a step is at, and how many rows it has. */
type Note = (activity: Activity, rows?: number) => void

interface DrawnToken {
	readonly tokenId: number
	readonly logprob: TokenLogprob | null
}

export class ModelRunner {
	readonly #note: Note
	readonly #kernels: Kernels
	readonly #gpt: Gpt
	readonly #threads: StepThreads
	readonly #cache: KvCache
	/** Unused blocks that stay. */
	readonly #kept: { readonly resting: number; readonly pausing: number }
	readonly #scheduler: Scheduler
	readonly #guesser: Guesser | null = null
	readonly #sampler: Sampler
	readonly #logprobs: LogprobReader
	readonly #meanHidden: MeanHidden
	readonly #rows = new TokenRows()
	readonly #totals = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0, steps: 0 }

	/** `note` hears what a step is at. */
	constructor(
		kernels: Kernels,
		{ config, tokenCount, dtype, arena, limits }: LoadModel,
		note: Note = () => {},
		/** Other models run, whose next step should not have to wait. */
		othersRun = false,
	) {
		this.#note = note
		this.#kernels = kernels
		const blocks = kvBlockCount(kernels, config, dtype, limits)
		const blocksPerSequence = Math.ceil(config.contextLength / kvBlockTokens)
		const layout = weightLayout(kernels, config, dtype)
		// A window that is decoded, and one that is read ahead.
		const spansMax = 2 * limits.sequencesMax
		const batch = { rowsMax: limits.rowsMax, spansMax, blocksPerSequence }
		this.#gpt = new Gpt(kernels, layout, arena, batch, blocks)
		// Another model's last step may have left some out.
		kernels.threadsUse(kernels.threads())
		this.#threads = othersRun
			? StepThreads.all(kernels)
			: StepThreads.measure(kernels, this.#gpt, limits.rowsMax)
		this.#cache = new KvCache(blocks)
		const blockBytes = kvBlockBytes(kernels, layout.network, dtype)
		this.#kept = {
			resting: Math.floor(RESTING_KV_BYTES / blockBytes),
			pausing: Math.max(
				Math.floor(PAUSING_KV_BYTES / blockBytes),
				PAUSING_CONTEXTS * blocksPerSequence,
			),
		}
		const { weightBytesMin, costs } = limits.guessing
		if (arena.byteLength >= weightBytesMin) {
			const isMeasured = costs === 'measured' && !othersRun
			const likely = new LikelyTokens(kernels, this.#gpt.logits, tokenCount)
			this.#guesser = new Guesser(
				isMeasured ? StepCosts.measure(this.#gpt, limits.rowsMax) : StepCosts.assumed(),
				kernels.uniform,
				(row) => likely.read(row),
			)
		}
		this.#scheduler = new Scheduler(this.#cache, limits, this.#guesser)
		this.#sampler = new Sampler(kernels, this.#gpt.logits, { tokenCount, ...limits })
		this.#logprobs = new LogprobReader(kernels, this.#gpt.logits, tokenCount)
		this.#meanHidden = new MeanHidden(this.#gpt.hidden)
	}

	/** Counters of this model alone; the worker adds them up. */
	get stats() {
		return {
			running: this.#scheduler.runningCount,
			waiting: this.#scheduler.waitingCount,
			withoutRoom: this.#scheduler.withoutRoomCount,
			promptTokensTotal: this.#totals.promptTokens,
			cachedTokensTotal: this.#totals.cachedTokens,
			generatedTokensTotal: this.#totals.generatedTokens,
			stepsTotal: this.#totals.steps,
			kvBlocksUsed: this.#cache.used,
			kvBlocksTotal: this.#cache.blockCount,
		}
	}

	submit(requestId: number, request: GenerationRequest, goesFirst = false): void {
		const { contextLength } = this.#gpt.config
		const choices = Array.from(
			{ length: request.n },
			(_, choice) => new Sequence(requestId, choice, request, 'generate', contextLength),
		)
		if (choices[0]) choices[0].goesFirst = goesFirst
		this.#scheduler.submit(choices)
	}

	submitEmbedding(requestId: number, request: GenerationRequest): void {
		const sequence = new Sequence(requestId, 0, request, 'embed', this.#gpt.config.contextLength)
		this.#scheduler.submit([sequence])
	}

	/** Ends all choices of a request, or one; their blocks are free at once. */
	abort(requestId: number, choice?: number): void {
		for (const sequence of this.#scheduler.find(requestId)) {
			if (choice === undefined || sequence.choice === choice) this.#scheduler.finish(sequence)
		}
	}

	/** Lets a request give back what it holds until it is resumed. */
	park(requestId: number): void {
		this.#scheduler.park(requestId)
	}

	resume(requestId: number): void {
		this.#scheduler.resume(requestId)
	}

	/** Ends everything, after a failure; returns the requests that are lost. */
	abortAll(): number[] {
		const lost = this.#scheduler.all()
		for (const sequence of lost) this.#scheduler.finish(sequence)
		return [...new Set(lost.map((sequence) => sequence.requestId))]
	}

	/** Says where a constrained choice is: it may draw when the row of its state is there. */
	moveTo(requestId: number, choice: number, stateId: number): void {
		for (const sequence of this.#scheduler.find(requestId)) {
			if (sequence.choice === choice) this.#rows.moveTo(sequence, stateId)
		}
	}

	addRows(rows: readonly SentRow[]): void {
		this.#rows.add(rows)
		for (const sequence of this.#scheduler.all()) {
			if (sequence.awaitsMask) this.#rows.lookUp(sequence)
		}
	}

	/** Those of running sequences come again. */
	forgetRows(): void {
		this.#rows.forget()
	}

	/** Gives back the memory of keys and values that nobody uses, but for those that were used last. */
	rest(): void {
		this.#gpt.releaseKeysValues(this.#cache.trim(this.#kept.resting))
	}

	/** The same after a moment without work: more of them stay. */
	pause(): void {
		this.#gpt.releaseKeysValues(this.#cache.trim(this.#kept.pausing))
	}

	/** Sequences that are at work, not those that wait. */
	get runningCount(): number {
		return this.#scheduler.runningCount
	}

	get hasSequences(): boolean {
		return this.#scheduler.hasSequences
	}

	/** Runs one step, a short one when other models wait for theirs; null when no sequence could run. */
	step(othersWait = false): StepReport | null {
		this.#note('scheduling')
		const spans = this.#scheduler.schedule(this.#gpt.batch, othersWait)
		if (spans.length === 0) return null
		this.#note('computing', this.#gpt.batch.rowCount)
		this.#kernels.threadsUse(this.#threads.forRows(this.#gpt.batch.rowCount))
		const start = performance.now()
		this.#gpt.forward()
		this.#threads.took((performance.now() - start) / 1000)
		this.#totals.steps++
		this.#note('drawing')
		const drawn = this.#draw(spans)
		this.#noteCost(spans, (performance.now() - start) / 1000)
		const embeddings = this.#embed(spans)
		this.#note('committing')
		return this.#commit(spans, drawn, embeddings)
	}

	/** Steps that decode, and read nothing else, show what rows cost. */
	#noteCost(spans: readonly Span[], seconds: number): void {
		const decodes = spans.every(({ count, draws }) => count === draws)
		if (decodes) this.#guesser?.costs.took(spans.length, this.#gpt.batch.rowCount, seconds)
		else this.#guesser?.costs.tookOther()
	}

	/** Reads the wanted logits; of each span, the tokens that are drawn from it. */
	#draw(spans: readonly Span[]): readonly (readonly DrawnToken[])[] {
		this.#sampler.clear()
		const draws = spans.map((span) => {
			const { sequence, logits, draws } = span
			if (logits === null) return null
			if (sequence.scoresPrompt) this.#logprobs.scorePrompt(span)
			if (draws === 0) return null
			const row = firstDrawnRow(span)
			const raw = this.#logprobs.beforeDraw(sequence, row)
			const index = this.#sampler.add(sequence, row)
			for (let i = 1; i < draws; i++) this.#sampler.add(sequence, row + i, i)
			return { raw, index }
		})
		const tokenIds = this.#sampler.draw()
		return draws.map((draw, i) => {
			if (draw === null) return []
			const tokenId = tokenIds[draw.index]!
			const first = { tokenId, logprob: draw.raw && logprobOf(draw.raw, tokenId) }
			return [first, ...drawnFromGuesses(spans[i]!, tokenIds, draw.index)]
		})
	}

	#embed(spans: readonly Span[]): StepReport['embeddings'] {
		const embedded = spans.filter(({ sequence }) => sequence.purpose === 'embed')
		if (embedded.length === 0) return []
		this.#gpt.normalizeAllRows()
		return embedded.flatMap((span) => {
			const mean = this.#meanHidden.add(span)
			return mean === null ? [] : [{ requestId: span.sequence.requestId, mean }]
		})
	}

	/** Tells the scheduler what was computed, and the caller what became of it. */
	#commit(
		spans: readonly Span[],
		drawn: readonly (readonly DrawnToken[])[],
		embeddings: StepReport['embeddings'],
	): StepReport {
		const prompts: StepReport['prompts'][number][] = []
		const tokens: StepReport['tokens'][number][] = []
		const finishes: StepReport['finishes'][number][] = []
		const decoding = drawn.filter((tokens) => tokens.length > 0).length
		let isUrgent = embeddings.length > 0
		let goesFirst = true
		for (const [i, span] of spans.entries()) {
			const { sequence } = span
			const { requestId, choice, purpose } = sequence
			const draws = drawn[i]!
			const tokenIds = draws.map(({ tokenId }) => tokenId)
			const { hasReadPrompt, tokenCount, finishReason } = this.#scheduler.commit(span, tokenIds)
			// Of who decodes, tokens of earlier steps may still wait to be told.
			goesFirst &&= sequence.goesFirst && hasReadPrompt
			if (purpose === 'embed') continue
			if (hasReadPrompt && choice === 0) {
				prompts.push(this.#readPrompt(sequence))
				this.#guesser?.learnPrompt(sequence)
			}
			for (const draw of draws.slice(0, tokenCount)) tokens.push({ requestId, choice, ...draw })
			if (tokenCount > 0) {
				this.#guesser?.learn(sequence, tokenCount, firstDrawnRow(span), decoding)
				if (sequence.request.constrained) this.#rows.advance(sequence, tokenIds[0]!)
				isUrgent ||= sequence.awaitsMask
			}
			if (finishReason === null) continue
			const stopToken = finishReason === 'stop' ? draws[tokenCount]! : null
			finishes.push({ requestId, choice, finishReason, stopToken })
		}
		this.#totals.generatedTokens += tokens.length
		isUrgent ||= prompts.length + finishes.length > 0
		return { prompts, tokens, finishes, embeddings, isUrgent, goesFirst }
	}

	/** Counts and reports a prompt when its last token has been read. */
	#readPrompt(sequence: Sequence): StepReport['prompts'][number] {
		const { requestId, request, promptLength } = sequence
		const promptTokens = request.promptIsStartToken ? 0 : promptLength
		const cachedTokens = Math.min(promptTokens, sequence.cachedTokens)
		this.#totals.promptTokens += promptTokens
		this.#totals.cachedTokens += cachedTokens
		const logprobs = this.#logprobs.promptScores(sequence)
		return { requestId, promptTokens, cachedTokens, logprobs }
	}
}

/** Of a span with draws: the row of logits of the first of them. */
function firstDrawnRow({ logits, draws }: Span): number {
	assert(logits, 'tokens are drawn from rows of logits')
	return logits.first + logits.count - draws
}

/** Draws from the rows of guesses, as long as each guess was the token drawn before. */
function drawnFromGuesses(
	{ window, draws }: Span,
	tokenIds: Int32Array,
	index: number,
): readonly DrawnToken[] {
	const drawn: DrawnToken[] = []
	for (let i = 1; i < draws; i++) {
		if (tokenIds[index + i - 1] !== window.tokens[window.length + i - 1]) break
		drawn.push({ tokenId: tokenIds[index + i]!, logprob: null })
	}
	return drawn
}
