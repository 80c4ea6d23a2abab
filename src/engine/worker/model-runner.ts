/*
 * One loaded model at work. `step` is the whole loop: schedule, forward, sample, commit. Token ids
 * in, step output out; nothing here knows text.
 */
import { type Kernels, kvBlockTokens } from '../../kernels/binding.ts'
import { Gpt } from '../../model/gpt.ts'
import { weightLayout } from '../../model/weights.ts'
import type { GenerationRequest, TokenLogprob } from '../generation.ts'
import { kvBlockCount } from '../memory.ts'
import type { LoadModel, PromptReport, StepOutput } from '../messages.ts'
import { FINISH_CODES } from '../messages.ts'
import { KvCache } from './kv-cache.ts'
import { Sampler } from './sampler.ts'
import { Scheduler, type Span } from './scheduler.ts'
import { Sequence } from './sequence.ts'

/** A draw that waits for the step's one sampling call. */
interface PendingDraw {
	readonly sequence: Sequence
	readonly logitsRow: number
	readonly drawIndex: number
	/** What log-probabilities need from the row before sampling edits it. */
	readonly raw: {
		readonly logSumExp: number
		readonly top: readonly (readonly [number, number])[]
		/** The row's logits, where edits change them. */
		readonly logits: Float32Array | null
	} | null
}

export class ModelRunner {
	readonly #gpt: Gpt
	readonly #cache: KvCache
	readonly #scheduler: Scheduler
	readonly #sampler: Sampler
	/** Sums of final hidden states of sequences that are being embedded. */
	readonly #embeddingSums = new Map<Sequence, Float32Array>()
	readonly #promptLogprobs = new Map<Sequence, (TokenLogprob | null)[]>()
	#promptTokens = 0
	#cachedTokens = 0
	#generatedTokens = 0
	#steps = 0

	constructor(kernels: Kernels, model: LoadModel) {
		const { config, limits } = model
		const blocksPerSequence = Math.ceil(config.contextLength / kvBlockTokens)
		const blocks = kvBlockCount(kernels, config, limits)
		const layout = weightLayout(kernels, config, model.dtype)
		const batchLimits = {
			rowsMax: limits.rowsMax,
			sequencesMax: limits.sequencesMax,
			blocksPerSequence,
		}
		this.#gpt = new Gpt(kernels, layout, model.arena, batchLimits, blocks)
		this.#cache = new KvCache(blocks)
		this.#scheduler = new Scheduler(this.#cache, {
			rowsMax: limits.rowsMax,
			sequencesMax: limits.sequencesMax,
			readingRowsMax: limits.readingRowsMax,
		})
		this.#sampler = new Sampler(kernels, this.#gpt, limits.sequencesMax)
	}

	/** Counters of this model alone; the worker adds them up. */
	get stats() {
		return {
			running: this.#scheduler.runningCount,
			waiting: this.#scheduler.waitingCount,
			withoutRoom: this.#scheduler.withoutRoomCount,
			promptTokensTotal: this.#promptTokens,
			cachedTokensTotal: this.#cachedTokens,
			generatedTokensTotal: this.#generatedTokens,
			stepsTotal: this.#steps,
			kvBlocksUsed: this.#cache.used,
			kvBlocksTotal: this.#cache.blockCount,
		}
	}

	submit(requestId: number, request: GenerationRequest): void {
		const { contextLength } = this.#gpt.config
		const choices = Array.from(
			{ length: request.n },
			(_, choice) => new Sequence(requestId, choice, request, 'generate', contextLength),
		)
		this.#scheduler.submit(choices)
	}

	submitEmbedding(requestId: number, request: GenerationRequest): void {
		const sequence = new Sequence(requestId, 0, request, 'embed', this.#gpt.config.contextLength)
		this.#scheduler.submit([sequence])
	}

	/** Ends all choices of a request, or one; their blocks are free at once. */
	abort(requestId: number, choice?: number): void {
		for (const sequence of this.#scheduler.find(requestId)) {
			if (choice === undefined || sequence.choice === choice) this.#finish(sequence)
		}
	}

	/** Ends everything, after a failure; returns the requests that are lost. */
	abortAll(): number[] {
		const lost = this.#scheduler.all()
		for (const sequence of lost) this.#finish(sequence)
		return [...new Set(lost.map((sequence) => sequence.requestId))]
	}

	allow(requestId: number, choice: number, mask: Uint32Array): void {
		for (const sequence of this.#scheduler.find(requestId)) {
			if (sequence.choice === choice) sequence.mask = mask
		}
	}

	get hasSequences(): boolean {
		return this.#scheduler.hasSequences
	}

	/** Runs one step, a short one when other models wait for theirs; null when no sequence could run. */
	step(othersWait = false): StepOutput | null {
		const spans = this.#scheduler.schedule(this.#gpt.batch, othersWait)
		if (spans.length === 0) return null
		this.#gpt.forward()
		this.#steps++
		const output = new StepOutputBuilder()
		const draws = this.#readLogits(spans)
		const tokenIds = this.#sampler.draw()
		for (const span of spans) this.#commitRows(span, output)
		for (const draw of draws) this.#commitToken(draw, tokenIds[draw.drawIndex]!, output)
		this.#commitEmbeddings(spans, output)
		return output.build()
	}

	#readLogits(spans: readonly Span[]): PendingDraw[] {
		const draws: PendingDraw[] = []
		this.#sampler.clear()
		for (const span of spans) {
			const { sequence, count } = span
			if (span.firstLogits < 0) continue
			if (sequence.scoresPrompt) this.#scorePrompt(span)
			if (!span.draws) continue
			const logitsRow = span.firstLogits + (sequence.scoresPrompt ? count - 1 : 0)
			const raw = this.#rawLogprobs(sequence, logitsRow)
			const drawIndex = this.#sampler.add(sequence, logitsRow)
			draws.push({ sequence, logitsRow, drawIndex, raw })
		}
		return draws
	}

	#rawLogprobs(sequence: Sequence, logitsRow: number): PendingDraw['raw'] {
		const { logprobs } = sequence.request
		if (logprobs === null) return null
		const logSumExp = this.#sampler.logSumExp(logitsRow)
		return {
			logSumExp,
			top: this.#sampler.topLogprobs(logitsRow, logSumExp, logprobs),
			logits: sequence.editsLogits ? this.#sampler.copyRow(logitsRow) : null,
		}
	}

	/** The row at position p tells how likely the prompt's token p + 1 was. */
	#scorePrompt(span: Span): void {
		const { sequence, count, firstLogits } = span
		const alternatives = sequence.request.promptLogprobs ?? 0
		const scores = this.#promptLogprobs.get(sequence) ?? [null]
		this.#promptLogprobs.set(sequence, scores)
		for (let i = 0; i < count; i++) {
			const next = sequence.computed + i + 1
			if (next >= sequence.promptLength) break
			const tokenId = sequence.window[next]!
			scores.push(this.#sampler.tokenLogprob(firstLogits + i, tokenId, alternatives))
		}
	}

	/** The rows are computed: blocks may have become full, and the prompt may have been read. */
	#commitRows(span: Span, output: StepOutputBuilder): void {
		const { sequence, count } = span
		sequence.advance(count, this.#cache)
		if (sequence.hasReportedPrompt || sequence.remaining > 0) return
		this.#scheduler.promptDone(sequence)
		if (sequence.choice > 0 || sequence.purpose === 'embed') return
		const { request } = sequence
		const promptTokens = request.promptIsStartToken ? 0 : sequence.promptLength
		const cachedTokens = Math.min(promptTokens, sequence.cachedTokens)
		this.#promptTokens += promptTokens
		this.#cachedTokens += cachedTokens
		const logprobs = this.#promptLogprobs.get(sequence) ?? null
		output.prompts.push({ requestId: sequence.requestId, promptTokens, cachedTokens, logprobs })
		if (request.maxTokens > 0) return
		for (const choice of this.#scheduler.find(sequence.requestId)) {
			output.finish(choice, 'length')
			this.#finish(choice)
		}
	}

	#commitToken(draw: PendingDraw, tokenId: number, output: StepOutputBuilder): void {
		const { sequence, raw } = draw
		const { request } = sequence
		if (request.stopTokenIds.includes(tokenId)) {
			output.finish(sequence, 'stop')
			this.#finish(sequence)
			return
		}
		const logit = raw?.logits?.[tokenId] ?? this.#sampler.logit(draw.logitsRow, tokenId)
		const logprob = raw ? { logprob: logit - raw.logSumExp, top: raw.top } : null
		output.token(sequence, tokenId, logprob)
		this.#generatedTokens++
		sequence.append(tokenId)
		sequence.mask = null
		const isFull = sequence.length === sequence.window.length
		if (
			sequence.generatedCount === request.maxTokens ||
			(isFull && request.truncation === 'disabled')
		) {
			output.finish(sequence, 'length')
			this.#finish(sequence)
		} else if (isFull) {
			this.#scheduler.roll(sequence)
		}
	}

	#commitEmbeddings(spans: readonly Span[], output: StepOutputBuilder): void {
		const embedded = spans.filter(({ sequence }) => sequence.purpose === 'embed')
		if (embedded.length === 0) return
		this.#gpt.normalizeAllRows()
		const { hidden, hiddenStride, config } = this.#gpt
		for (const { sequence, firstRow, count } of embedded) {
			const sum = this.#embeddingSums.get(sequence) ?? new Float32Array(config.nEmbd)
			this.#embeddingSums.set(sequence, sum)
			for (let row = firstRow; row < firstRow + count; row++) {
				for (let i = 0; i < config.nEmbd; i++) sum[i]! += hidden[row * hiddenStride + i]!
			}
			if (sequence.remaining > 0) continue
			for (let i = 0; i < config.nEmbd; i++) sum[i]! /= sequence.promptLength
			output.embeddings.push({ requestId: sequence.requestId, mean: sum })
			this.#finish(sequence)
		}
	}

	#finish(sequence: Sequence): void {
		this.#scheduler.finish(sequence)
		this.#embeddingSums.delete(sequence)
		this.#promptLogprobs.delete(sequence)
	}
}

/** Collects what a step tells the main thread. */
class StepOutputBuilder {
	readonly prompts: PromptReport[] = []
	readonly embeddings: StepOutput['embeddings'][number][] = []
	readonly #tokens: number[] = []
	readonly #logprobs: (TokenLogprob | null)[] = []
	readonly #finishes: number[] = []
	#hasLogprobs = false
	#isUrgent = false

	token(sequence: Sequence, tokenId: number, logprob: TokenLogprob | null): void {
		this.#tokens.push(sequence.requestId, sequence.choice, tokenId)
		this.#logprobs.push(logprob)
		this.#hasLogprobs ||= logprob !== null
		this.#isUrgent ||= sequence.request.constrained
	}

	finish(sequence: Sequence, reason: (typeof FINISH_CODES)[number]): void {
		this.#finishes.push(sequence.requestId, sequence.choice, FINISH_CODES.indexOf(reason))
	}

	build(): StepOutput {
		return {
			prompts: this.prompts,
			tokens: Int32Array.from(this.#tokens),
			logprobs: this.#hasLogprobs ? this.#logprobs : null,
			finishes: Int32Array.from(this.#finishes),
			isUrgent:
				this.#isUrgent || this.#finishes.length + this.prompts.length + this.embeddings.length > 0,
			embeddings: this.embeddings,
		}
	}
}
