import type { MetricsSeries } from '../checkpoint/store/training-log.ts'
import type { ModelCard, ModelDetails } from '../models/catalog.ts'
import { toRun } from './responses.ts'

/** Answer of GET /api/models/{id}. A run that cannot be served has no details. */
export function toModelCard(
	card: ModelCard,
	details: ModelDetails | undefined,
	metrics: MetricsSeries,
) {
	const { steps, state, reason, contextLength, embedded } = card
	return {
		...toRun(card),
		steps,
		state,
		reason,
		contextLength,
		embedded,
		checkpointBytes: details?.checkpointBytes ?? null,
		parameterCount: details?.parameterCount ?? null,
		memoryBytes: details?.memoryBytes ?? null,
		requests: details?.leases ?? 0,
		tokenizer: details?.tokenizer ?? null,
		metrics,
	}
}
