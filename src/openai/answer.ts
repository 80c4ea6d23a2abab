/** What every object of one answer repeats, and what it ends with. */
import type { Usage } from './schemas/answer.ts'

export interface AnswerHead {
	/** Unique per request, for instance `chatcmpl-…`. */
	readonly id: string
	/** Unix seconds. */
	readonly created: number
	/** The model that answers. */
	readonly model: string
	readonly systemFingerprint: string
}

/** The first keys of an answer object. */
export function headFields<const T extends string>(
	{ id, created, model, systemFingerprint }: AnswerHead,
	object: T,
) {
	return { id, object, created, model, system_fingerprint: systemFingerprint }
}

/** The `usage` object; the prompt counts once however many choices there are. */
export function toUsage(
	promptTokens: number,
	cachedTokens: number,
	completionTokens: number,
): Usage {
	return {
		prompt_tokens: promptTokens,
		completion_tokens: completionTokens,
		total_tokens: promptTokens + completionTokens,
		prompt_tokens_details: { cached_tokens: cachedTokens },
		completion_tokens_details: { reasoning_tokens: 0 },
	}
}
