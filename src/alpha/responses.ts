/** Answers of the /api endpoints. */
import type { LossSeries } from '../checkpoint/store/training-log.ts'
import type { ModelCard, ModelDetails } from '../models/catalog.ts'
import type { TextResult } from '../text/text-events.ts'
import { dataFrame, doneFrame, errorFrame, type StreamFormat } from '../wire/stream-format.ts'
import type { Generated } from './schemas/generate.ts'
import type { InferenceEvent } from './schemas/inference.ts'
import type { ModelCardSchema, RunSchema } from './schemas/models.ts'

/** A run in GET /api/models; every key is always there. */
export function toRun(card: ModelCard): RunSchema {
	return {
		id: card.id,
		name: card.id,
		step: card.trainingStep,
		mtime: card.mtimeMs,
		lastLoss: card.lastLoss,
		domain: card.domain,
		modelConfig: card.modelConfig,
		trainConfig: card.trainConfig,
		format: card.format,
		family: card.family,
	}
}

/** A run that cannot be served, and why. */
export function toUnservedRun(card: ModelCard): RunSchema {
	return { ...toRun(card), state: card.state, reason: card.reason }
}

/** A model as GET /api/events lists it. */
export function toListedModel(card: ModelCard, details: ModelDetails | undefined) {
	const { state, reason } = card
	return { ...toRun(card), state, reason, parameterCount: details?.parameterCount ?? null }
}

/** Answer of GET /api/models/{id}. A run that cannot be served has no details. */
export function toModelCard(
	card: ModelCard,
	details: ModelDetails | undefined,
	metrics: LossSeries,
): ModelCardSchema {
	const { steps, state, reason, contextLength, isBuiltin } = card
	return {
		...toRun(card),
		steps: [...steps],
		state,
		reason,
		contextLength,
		embedded: isBuiltin,
		checkpointBytes: details?.checkpointBytes ?? null,
		parameterCount: details?.parameterCount ?? null,
		memoryBytes: details?.memoryBytes ?? null,
		requests: details?.leases ?? 0,
		tokenizer: details?.tokenizer ?? null,
		metrics,
	}
}

/** Answer of /api/generate. */
export function toGenerated(model: string, result: TextResult): Generated {
	const [choice] = result.choices
	return {
		text: choice?.text ?? '',
		model,
		usage: {
			prompt_tokens: result.promptTokens,
			completion_tokens: choice?.completionTokens ?? 0,
		},
		finish_reason: choice?.finishReason ?? 'length',
	}
}

/** The stream of /api/inference: the prompt first, then what is generated. */
export function inferenceFormat(prompt: string): StreamFormat {
	const frame = (token: string) => dataFrame(JSON.stringify({ token } satisfies InferenceEvent))
	return {
		open: () => frame(prompt),
		prompt: () => null,
		event: (event) => (event.type === 'text' ? frame(event.text) : ''),
		close: () => doneFrame,
		fail: errorFrame,
	}
}
