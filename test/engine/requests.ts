import type { GenerationRequest } from '../../src/engine/generation.ts'
import { greedySampling, plainRequest } from '../../src/engine/plain-request.ts'

export const greedy = { ...greedySampling, seed: 1 }

/** A short greedy request, changed where a test says so. */
export function generationRequest(
	promptTokenIds: readonly number[],
	changes: Partial<GenerationRequest> = {},
): GenerationRequest {
	return plainRequest({ promptTokenIds, maxTokens: 16, sampling: greedy, ...changes })
}
