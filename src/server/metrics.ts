/** What the HTTP side counts. Labels have few values: routes of ours, and a bounded number of models. */
import type { GenerationRequest } from '../engine/generation.ts'
import type { GenerationMeter } from '../text/text-generation.ts'
import { Counter, Histogram, type Labels } from './prometheus.ts'
import type { RequestRecord } from './request-record.ts'

/** Small models are fast: the buckets start where others end. Seconds. */
const SECONDS = [
	0.0001, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5,
	10, 30, 60,
]

const TOKENS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000]

/** Models that have series of their own; those beyond share one, so that a page of metrics has an end. */
const MODELS_MAX = 50
const OTHER_MODELS = 'other'

export class ServerMetrics {
	readonly httpRequests = new Counter()
	readonly generationsFinished = new Counter()
	readonly promptTokens = new Counter()
	readonly cachedTokens = new Counter()
	readonly completionTokens = new Counter()
	/** From when a request asked for places: until its first token, between tokens, until its end. */
	readonly timeToFirstToken = new Histogram(SECONDS)
	readonly interTokenLatency = new Histogram(SECONDS)
	readonly generationDuration = new Histogram(SECONDS)
	/** Its parts: waiting for places, reading the prompt up to the first token, all after that. */
	readonly queueTime = new Histogram(SECONDS)
	readonly prefillTime = new Histogram(SECONDS)
	readonly decodeTime = new Histogram(SECONDS)
	readonly inferenceTime = new Histogram(SECONDS)
	/** Mean of a request, its first token not counted. */
	readonly timePerOutputToken = new Histogram(SECONDS)
	readonly requestPromptTokens = new Histogram(TOKENS)
	readonly requestCompletionTokens = new Histogram(TOKENS)
	/** Of the longest choice of a request. */
	readonly longestCompletionTokens = new Histogram(TOKENS)
	readonly requestMaxTokens = new Histogram(TOKENS)
	readonly requestChoices = new Histogram([1, 2, 5, 10, 20, 50, 100])
	readonly #models = new Set<string>()

	/** The label of a model; `MODELS_MAX` have one of their own. */
	labelsOf(model: string): Labels & { readonly model_name: string } {
		if (this.#models.size < MODELS_MAX) this.#models.add(model)
		return { model_name: this.#models.has(model) ? model : OTHER_MODELS }
	}

	/** Starts the clock of a generation that has its places. */
	generation(
		model: string,
		record: RequestRecord,
		request: Pick<GenerationRequest, 'n' | 'maxTokens'>,
	): GenerationMeter {
		return new ModelMeter(this, this.labelsOf(model), record, request)
	}

	/** A prompt that was read, of which some came from the cache. */
	promptRead(labels: Labels, promptTokens: number, cachedTokens: number): void {
		this.promptTokens.add(labels, promptTokens)
		this.cachedTokens.add(labels, cachedTokens)
	}
}

/** Follows one generation, all its choices together, for the metrics and for the record of its request. */
class ModelMeter implements GenerationMeter {
	readonly #metrics: ServerMetrics
	readonly #labels: Labels
	readonly #record: RequestRecord
	readonly #request: Pick<GenerationRequest, 'n' | 'maxTokens'>
	/** Looked up once: they are recorded with each token. */
	readonly #interTokenLatency
	readonly #tokensTotal
	readonly #startedAt = performance.now()
	readonly #queuedAt: number
	#firstTokenAt = 0
	#lastTokenAt = 0
	#promptTokens = 0
	#completionTokens = 0
	#longestTokens = 0
	#hasEnded = false

	constructor(
		metrics: ServerMetrics,
		labels: Labels,
		record: RequestRecord,
		request: Pick<GenerationRequest, 'n' | 'maxTokens'>,
	) {
		this.#metrics = metrics
		this.#labels = labels
		this.#record = record
		this.#request = request
		this.#queuedAt = record.queuedAt || this.#startedAt
		this.#interTokenLatency = metrics.interTokenLatency.at(labels)
		this.#tokensTotal = metrics.completionTokens.at(labels)
	}

	promptRead(promptTokens: number, cachedTokens: number): void {
		this.#promptTokens = promptTokens
		this.#record.promptTokens += promptTokens
		this.#record.cachedTokens += cachedTokens
		this.#metrics.promptRead(this.#labels, promptTokens, cachedTokens)
	}

	/** Tokens that arrived together. */
	tokens(count: number): void {
		const now = performance.now()
		this.#record.firstTokenAt ||= now
		this.#record.lastTokenAt = now
		this.#record.completionTokens += count
		this.#completionTokens += count
		this.#tokensTotal.count += count
		if (this.#firstTokenAt === 0) {
			this.#firstTokenAt = now
			this.#observe(this.#metrics.timeToFirstToken, now - this.#queuedAt)
		} else {
			const latency = seconds(now - this.#lastTokenAt) / count
			this.#metrics.interTokenLatency.observe(this.#interTokenLatency, latency, count)
		}
		this.#lastTokenAt = now
	}

	choiceFinished(finishReason: 'stop' | 'length' | 'abort', completionTokens: number): void {
		this.#record.finishReasons.add(finishReason)
		this.#longestTokens = Math.max(this.#longestTokens, completionTokens)
		this.#metrics.generationsFinished.add({ ...this.#labels, finished_reason: finishReason })
	}

	/** However it ended; later calls do nothing. */
	ended(): void {
		if (this.#hasEnded) return
		this.#hasEnded = true
		const now = performance.now()
		const metrics = this.#metrics
		this.#observe(metrics.generationDuration, now - this.#queuedAt)
		this.#observe(metrics.queueTime, this.#startedAt - this.#queuedAt)
		this.#observe(metrics.inferenceTime, now - this.#startedAt)
		const { requestPromptTokens, requestCompletionTokens, longestCompletionTokens } = metrics
		this.#count(requestPromptTokens, this.#promptTokens)
		this.#count(requestCompletionTokens, this.#completionTokens)
		this.#count(longestCompletionTokens, this.#longestTokens)
		this.#count(metrics.requestMaxTokens, this.#request.maxTokens)
		this.#count(metrics.requestChoices, this.#request.n)
		if (this.#firstTokenAt === 0) return
		const decodeMs = this.#lastTokenAt - this.#firstTokenAt
		this.#observe(metrics.prefillTime, this.#firstTokenAt - this.#startedAt)
		this.#observe(metrics.decodeTime, decodeMs)
		if (this.#completionTokens > 1) {
			this.#observe(metrics.timePerOutputToken, decodeMs / (this.#completionTokens - 1))
		}
	}

	#observe(histogram: Histogram, milliseconds: number): void {
		this.#count(histogram, seconds(milliseconds))
	}

	#count(histogram: Histogram, value: number): void {
		histogram.observe(histogram.at(this.#labels), value)
	}
}

function seconds(milliseconds: number): number {
	return milliseconds / 1000
}
