/** Answers of the /api endpoints. */
import type { ModelCard } from '../models/catalog.ts'

/** A run in GET /api/models; every key is always there. */
export function toRun(card: ModelCard) {
	return {
		id: card.id,
		name: card.id,
		step: card.step,
		mtime: card.mtimeMs,
		lastLoss: card.lastLoss,
		domain: card.domain,
		modelConfig: card.modelConfig,
		trainConfig: card.trainConfig,
	}
}

/** A run that cannot be served, and why. */
export function toUnservedRun(card: ModelCard) {
	return { ...toRun(card), state: card.state, reason: card.reason }
}

/** Answer of /api/generate. */
export function toGenerated(
	model: string,
	result: {
		readonly promptTokens: number
		readonly choices: readonly { text: string; finishReason: string; completionTokens: number }[]
	},
) {
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

/** An event of /api/inference: the prompt first, then what is generated. */
export function tokenFrame(text: string): string {
	return `data: {"token":${JSON.stringify(text)}}\n\n`
}
