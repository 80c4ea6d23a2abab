import type { GenerationRequest, SamplingParams } from '../../src/engine/generation.ts'

export const greedy: SamplingParams = {
	temperature: 0,
	topK: 0,
	topP: 1,
	minP: 0,
	repetitionPenalty: 1,
	presencePenalty: 0,
	frequencyPenalty: 0,
	logitBias: [],
	seed: 1,
}

/** A request with the plainest settings, changed where a test says so. */
export function generationRequest(
	promptTokenIds: readonly number[],
	changes: Partial<GenerationRequest> = {},
): GenerationRequest {
	return {
		promptTokenIds,
		promptIsStartToken: false,
		n: 1,
		maxTokens: 16,
		sampling: greedy,
		stopTokenIds: [],
		minTokens: 0,
		logprobs: null,
		promptLogprobs: null,
		truncation: 'auto',
		constrained: false,
		...changes,
	}
}
