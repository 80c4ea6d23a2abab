/** The metrics page: own names, process, and those of vLLM that dashboards and autoscalers know. */
import type { EngineStats } from '../engine/stats.ts'
import type { ModelCatalog } from '../models/catalog.ts'
import type { StoreState } from '../remote/mirror.ts'
import type { Tracing } from './deps.ts'
import type { ServerMetrics } from './metrics.ts'
import { renderValue } from './prometheus.ts'
import { vllmMetrics } from './vllm-metrics.ts'

/** Where the numbers of the metrics page come from. */
export interface MetricSources {
	readonly metrics: ServerMetrics
	readonly catalog: ModelCatalog
	readonly version: string
	readonly isaName: string
	readonly tracing: Tracing | null
	engineStats(): EngineStats
	storeState(): StoreState | null
}

/** Everything in Prometheus' text format. */
export function renderMetrics(sources: MetricSources): string {
	return [
		...ownMetrics(sources),
		...storeMetrics(sources),
		...processMetrics(),
		...vllmMetrics(sources),
	].join('')
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
		counter(
			'spans_dropped_total',
			'Spans that no collector took.',
			sources.tracing?.exporter.droppedTotal ?? 0,
		),
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
		metrics.queueTime.render('alpha_queue_time_seconds', 'Waiting for a place.'),
	]
}

/** Of the object store that runs come from; nothing where there is none. */
function storeMetrics(sources: MetricSources): string[] {
	const state = sources.storeState()
	if (state === null) return []
	const { isReachable, secondsSinceContact, failuresTotal, fetchedTotal } = state
	const gauge = (name: string, help: string, value: number) =>
		renderValue(`alpha_store_${name}`, help, 'gauge', value)
	const counter = (name: string, help: string, value: number) =>
		renderValue(`alpha_store_${name}`, help, 'counter', value)
	return [
		gauge('up', 'Whether the object store was reached by the last look.', isReachable ? 1 : 0),
		gauge('contact_age_seconds', 'Since the last look that succeeded.', secondsSinceContact),
		counter('failures_total', 'Looks at the object store that failed.', failuresTotal),
		counter('fetched_total', 'Checkpoints that came from the object store.', fetchedTotal),
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
