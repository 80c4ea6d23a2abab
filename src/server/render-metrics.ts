/** The metrics page: own names, and those of vLLM that dashboards and autoscalers know. */

import type { ServerDeps } from './deps.ts'
import type { ServerMetrics } from './metrics.ts'
import { renderValue } from './prometheus.ts'

/** Everything in Prometheus' text format. */
export function renderMetrics(deps: ServerDeps, metrics: ServerMetrics): string {
	return [...ownMetrics(deps, metrics), ...processMetrics(), ...vllmMetrics(deps, metrics)].join('')
}

function ownMetrics(deps: ServerDeps, metrics: ServerMetrics): string[] {
	const stats = deps.engineStats()
	const cards = deps.catalog.list()
	const loaded = cards.filter((card) => card.state === 'loaded').length
	const build = { version: deps.version, isa: deps.isaName }
	const gauge = (name: string, help: string, value: number) =>
		renderValue(`alpha_${name}`, help, 'gauge', value)
	const counter = (name: string, help: string, value: number) =>
		renderValue(`alpha_${name}`, help, 'counter', value)
	return [
		renderValue('alpha_build_info', 'Version and kernels in use.', 'gauge', 1, build),
		gauge('models', 'Models that can be asked for.', cards.length),
		gauge('models_loaded', 'Models in memory.', loaded),
		gauge('models_damaged', 'Runs that cannot be served.', deps.catalog.listUnserved().length),
		gauge('sequences_running', 'Sequences being generated.', stats.running),
		gauge('sequences_waiting', 'Sequences that wait for room.', stats.waiting),
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

function vllmMetrics(deps: ServerDeps, metrics: ServerMetrics): string[] {
	const stats = deps.engineStats()
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
