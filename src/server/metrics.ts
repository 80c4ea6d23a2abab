/**
 * What the HTTP side counts, and the metrics page: own names, and those of vLLM that dashboards and
 * autoscalers know. Labels have few values: routes of ours and models that exist.
 */
import type { EngineStats } from '../engine/stats.ts'
import type { ModelCatalog } from '../models/catalog.ts'
import type { GenerationMeter } from '../text/text-generation.ts'
import { Counter, type Distribution, Histogram, renderValue } from './prometheus.ts'
import type { RequestRecord } from './request-record.ts'

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
	generation(model: string, record: RequestRecord): GenerationMeter {
		return new ModelMeter(this, model, record)
	}
}

/** Follows one generation, all its choices together. */
class ModelMeter implements GenerationMeter {
	readonly #metrics: ServerMetrics
	readonly #labels: { readonly model_name: string }
	readonly #interTokenLatency: Distribution
	readonly #record: RequestRecord
	readonly #startedAt = performance.now()
	#lastTokenAt = 0
	#hasEnded = false

	constructor(metrics: ServerMetrics, model: string, record: RequestRecord) {
		this.#metrics = metrics
		this.#record = record
		this.#labels = { model_name: model }
		this.#interTokenLatency = metrics.interTokenLatency.at(this.#labels)
	}

	promptRead(promptTokens: number, cachedTokens: number): void {
		this.#record.promptTokens += promptTokens
		this.#record.cachedTokens += cachedTokens
	}

	/** Tokens that arrived together. */
	tokens(count: number): void {
		const now = performance.now()
		this.#record.firstTokenAt ||= now
		this.#record.lastTokenAt = now
		this.#record.completionTokens += count
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
		this.#record.finishReasons.add(finishReason)
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

/** Where the numbers of the metrics page come from. */
export interface MetricSources {
	readonly metrics: ServerMetrics
	readonly catalog: ModelCatalog
	readonly version: string
	readonly isaName: string
	engineStats(): EngineStats
}

/** Everything in Prometheus' text format. */
export function renderMetrics(sources: MetricSources): string {
	return [...ownMetrics(sources), ...processMetrics(), ...vllmMetrics(sources)].join('')
}

function ownMetrics(sources: MetricSources): string[] {
	const { metrics } = sources
	const stats = sources.engineStats()
	const cards = sources.catalog.list()
	const loaded = cards.filter((card) => card.state === 'loaded').length
	const build = { version: sources.version, isa: sources.isaName }
	const gauge = (name: string, help: string, value: number) =>
		renderValue(`alpha_${name}`, help, 'gauge', value)
	const counter = (name: string, help: string, value: number) =>
		renderValue(`alpha_${name}`, help, 'counter', value)
	return [
		renderValue('alpha_build_info', 'Version and kernels in use.', 'gauge', 1, build),
		gauge('models', 'Models that can be asked for.', cards.length),
		gauge('models_loaded', 'Models in memory.', loaded),
		gauge('models_damaged', 'Runs that cannot be served.', sources.catalog.listUnserved().length),
		gauge('sequences_running', 'Sequences being generated.', stats.running),
		gauge('sequences_waiting', 'Sequences that wait for room.', stats.waiting),
		gauge('unread_bytes', 'Generated and not yet read, in bytes.', stats.unreadBytes),
		counter('streams_parked_total', 'Generations that waited for their reader.', stats.parkedTotal),
		counter('streams_cut_total', 'Generations given up for want of a reader.', stats.cutTotal),
		gauge('kv_blocks_used', 'KV cache blocks in use.', stats.kvBlocksUsed),
		gauge('kv_blocks', 'KV cache blocks there are.', stats.kvBlocksTotal),
		counter('prompt_tokens_total', 'Prompt tokens read.', stats.promptTokensTotal),
		counter('cached_tokens_total', 'Prompt tokens from the cache.', stats.cachedTokensTotal),
		counter('generated_tokens_total', 'Tokens generated.', stats.generatedTokensTotal),
		counter('engine_steps_total', 'Steps of the engine.', stats.stepsTotal),
		metrics.httpRequests.render('alpha_http_requests_total', 'Requests by route and status.'),
		metrics.generationsFinished.render('alpha_choices_finished_total', 'Choices by their end.'),
		metrics.timeToFirstToken.render('alpha_time_to_first_token_seconds', 'Until the first token.'),
		metrics.interTokenLatency.render('alpha_inter_token_latency_seconds', 'Between tokens.'),
		metrics.generationDuration.render('alpha_generation_duration_seconds', 'Whole generations.'),
	]
}

function processMetrics(): string[] {
	const { user, system } = process.cpuUsage()
	const startedAt = Date.now() / 1000 - process.uptime()
	return [
		renderValue('process_cpu_seconds_total', 'CPU time.', 'counter', (user + system) / 1e6),
		renderValue('process_resident_memory_bytes', 'Memory.', 'gauge', process.memoryUsage.rss()),
		renderValue('process_start_time_seconds', 'Start, Unix seconds.', 'gauge', startedAt),
	]
}

function vllmMetrics(sources: MetricSources): string[] {
	const { metrics } = sources
	const stats = sources.engineStats()
	const engine = { engine: '0' }
	const help = 'Same as vLLM’s.'
	const gauge = (name: string, value: number) =>
		renderValue(`vllm:${name}`, help, 'gauge', value, engine)
	const counter = (name: string, value: number) =>
		renderValue(`vllm:${name}`, help, 'counter', value, engine)
	return [
		gauge('num_requests_running', stats.running),
		gauge('num_requests_waiting', stats.waiting),
		gauge('kv_cache_usage_perc', stats.kvBlocksUsed / Math.max(1, stats.kvBlocksTotal)),
		counter('prompt_tokens_total', stats.promptTokensTotal),
		counter('generation_tokens_total', stats.generatedTokensTotal),
		counter('prefix_cache_queries_total', stats.promptTokensTotal),
		counter('prefix_cache_hits_total', stats.cachedTokensTotal),
		metrics.generationsFinished.render('vllm:request_success_total', help),
		metrics.timeToFirstToken.render('vllm:time_to_first_token_seconds', help),
		metrics.interTokenLatency.render('vllm:inter_token_latency_seconds', help),
		metrics.generationDuration.render('vllm:e2e_request_latency_seconds', help),
	]
}
