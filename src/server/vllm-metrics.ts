/**
 * Metrics by vLLM's names, which its Grafana board, autoscalers and endpoint pickers ask for. All series have
 * `model_name` and `engine`. Times of a request begin when it asks for places.
 */
import type { WorkerStats } from '../engine/stats.ts'
import type { ModelCatalog } from '../models/catalog.ts'
import type { ServerMetrics } from './metrics.ts'
import { renderValues } from './prometheus.ts'

const HELP = 'Same as that of vLLM.'
const ENGINE = { engine: '0' }

/** What a model does that is not in memory. */
const IDLE = { running: 0, waiting: 0, kvBlocksUsed: 0, kvBlocksTotal: 0 }

type Load = Pick<WorkerStats, keyof typeof IDLE>

export function vllmMetrics({
	metrics,
	catalog,
}: {
	readonly metrics: ServerMetrics
	readonly catalog: Pick<ModelCatalog, 'list' | 'loads'>
}): string[] {
	const loads = loadsByLabel(metrics, catalog)
	const gauge = (name: string, value: (load: Load) => number) => {
		const values = [...loads].map(
			([label, load]) => [{ model_name: label, ...ENGINE }, value(load)] as const,
		)
		return renderValues(`vllm:${name}`, HELP, 'gauge', values)
	}
	const kvUsage = ({ kvBlocksUsed, kvBlocksTotal }: Load) =>
		kvBlocksUsed / Math.max(1, kvBlocksTotal)
	const counted = Object.entries({
		prompt_tokens_total: metrics.promptTokens,
		generation_tokens_total: metrics.completionTokens,
		prefix_cache_queries_total: metrics.promptTokens,
		prefix_cache_hits_total: metrics.cachedTokens,
		request_success_total: metrics.generationsFinished,
		time_to_first_token_seconds: metrics.timeToFirstToken,
		inter_token_latency_seconds: metrics.interTokenLatency,
		// The name that it had before.
		time_per_output_token_seconds: metrics.interTokenLatency,
		request_time_per_output_token_seconds: metrics.timePerOutputToken,
		e2e_request_latency_seconds: metrics.generationDuration,
		request_queue_time_seconds: metrics.queueTime,
		request_prefill_time_seconds: metrics.prefillTime,
		request_decode_time_seconds: metrics.decodeTime,
		request_inference_time_seconds: metrics.inferenceTime,
		request_prompt_tokens: metrics.requestPromptTokens,
		request_generation_tokens: metrics.requestCompletionTokens,
		request_max_num_generation_tokens: metrics.longestCompletionTokens,
		request_params_max_tokens: metrics.requestMaxTokens,
		request_params_n: metrics.requestChoices,
	})
	return [
		gauge('num_requests_running', ({ running }) => running),
		gauge('num_requests_waiting', ({ waiting }) => waiting),
		gauge('kv_cache_usage_perc', kvUsage),
		gauge('gpu_cache_usage_perc', kvUsage),
		...counted.map(([name, series]) => series.render(`vllm:${name}`, HELP, ENGINE)),
	]
}

/** What each model in memory does. With none the default model does nothing: autoscalers need a number. */
function loadsByLabel(
	metrics: ServerMetrics,
	catalog: Pick<ModelCatalog, 'list' | 'loads'>,
): ReadonlyMap<string, Load> {
	const loads = new Map<string, Load>()
	for (const { id, stats } of catalog.loads()) {
		const { model_name: label } = metrics.labelsOf(id)
		const before = loads.get(label) ?? IDLE
		loads.set(label, {
			running: before.running + stats.running,
			waiting: before.waiting + stats.waiting,
			kvBlocksUsed: before.kvBlocksUsed + stats.kvBlocksUsed,
			kvBlocksTotal: before.kvBlocksTotal + stats.kvBlocksTotal,
		})
	}
	if (loads.size === 0) {
		const first = catalog.list()[0]
		loads.set(first === undefined ? '' : metrics.labelsOf(first.id).model_name, IDLE)
	}
	return loads
}
