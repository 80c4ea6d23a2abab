/** What the HTTP side counts. Labels have few values: routes of ours and models that exist. */
import { Counter, type Distribution, Histogram } from './prometheus.ts'

/** Small models are fast: the buckets start where others end. */
const secondsBuckets = [
	0.0001, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5,
	10, 30, 60,
]

export class ServerMetrics {
	readonly httpRequests = new Counter()
	readonly generationsFinished = new Counter()
	readonly timeToFirstToken = new Histogram(secondsBuckets)
	readonly interTokenLatency = new Histogram(secondsBuckets)
	readonly generationDuration = new Histogram(secondsBuckets)

	/** Starts the clock of a generation. */
	generation(model: string): GenerationMeter {
		return new GenerationMeter(this, model)
	}
}

/** Follows one generation, all its choices together. */
export class GenerationMeter {
	readonly #metrics: ServerMetrics
	readonly #labels: { readonly model_name: string }
	readonly #interTokenLatency: Distribution
	readonly #startedAt = performance.now()
	#lastTokenAt = 0
	#hasEnded = false

	constructor(metrics: ServerMetrics, model: string) {
		this.#metrics = metrics
		this.#labels = { model_name: model }
		this.#interTokenLatency = metrics.interTokenLatency.at(this.#labels)
	}

	/** Tokens that arrived together. */
	tokens(count: number): void {
		const now = performance.now()
		if (this.#lastTokenAt === 0) {
			const { timeToFirstToken } = this.#metrics
			timeToFirstToken.observe(timeToFirstToken.at(this.#labels), seconds(now - this.#startedAt))
		} else {
			const latency = seconds(now - this.#lastTokenAt) / count
			this.#metrics.interTokenLatency.observe(this.#interTokenLatency, latency, count)
		}
		this.#lastTokenAt = now
	}

	choiceFinished(finishReason: 'stop' | 'length' | 'abort'): void {
		const labels = { ...this.#labels, finished_reason: finishReason }
		this.#metrics.generationsFinished.add(labels)
	}

	/** However it ended; later calls do nothing. */
	ended(): void {
		if (this.#hasEnded) return
		this.#hasEnded = true
		const duration = seconds(performance.now() - this.#startedAt)
		const { generationDuration } = this.#metrics
		generationDuration.observe(generationDuration.at(this.#labels), duration)
	}
}

function seconds(milliseconds: number): number {
	return milliseconds / 1000
}
