import type { Usage } from './schemas/usage.ts'

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
