import type { GenerationRequest, SamplingParams } from './generation.ts'

/** The likeliest token, nothing changed in the logits. */
export const greedySampling: SamplingParams = {
	temperature: 0,
	topK: 0,
	topP: 1,
	minP: 0,
	repetitionPenalty: 1,
	presencePenalty: 0,
	frequencyPenalty: 0,
	logitBias: [],
	seed: 0,
}

/** One greedy continuation with everything optional switched off; `changes` say what is not. */
export function plainRequest(
	changes: Partial<GenerationRequest> & Pick<GenerationRequest, 'promptTokenIds' | 'maxTokens'>,
): GenerationRequest {
	return {
		promptIsStartToken: false,
		n: 1,
		sampling: greedySampling,
		stopTokenIds: [],
		minTokens: 0,
		logprobs: null,
		promptLogprobs: null,
		truncation: 'auto',
		cacheSalt: 0,
		constrained: false,
		...changes,
	}
}
