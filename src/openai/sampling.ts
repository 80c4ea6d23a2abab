/** The fields that all generating endpoints of /v1 share → engine types. */
import type { SamplingParams } from '../engine/generation.ts'
import { invalidValue, unsupportedParameter } from '../wire/errors.ts'
import { completionTokensMax, topKDefault } from '../wire/limits.ts'
import type { RequestContext } from '../wire/request-fields.ts'
import type { ChatCompletionRequest } from './schemas/chat.ts'
import type { SamplingFields, StoppingFields } from './schemas/sampling.ts'

export function toSampling(
	body: SamplingFields,
	temperature: number,
	{ vocabSize, seed }: RequestContext,
): SamplingParams {
	return {
		temperature,
		topK: Math.max(0, body.top_k ?? topKDefault),
		topP: body.top_p ?? 1,
		minP: body.min_p ?? 0,
		// The alias first: it is the one without a default.
		repetitionPenalty: body.repeat_penalty ?? body.repetition_penalty ?? 1,
		presencePenalty: body.presence_penalty ?? 0,
		frequencyPenalty: body.frequency_penalty ?? 0,
		logitBias: toLogitBias(body.logit_bias ?? {}, vocabSize),
		seed: body.seed ?? seed,
	}
}

/** Throws ApiError 400 for ids that the model does not have. */
export function checkTokenIds(ids: readonly number[], param: string, vocabSize: number): void {
	const unknown = ids.find((id) => id >= vocabSize)
	if (unknown !== undefined) {
		throw invalidValue(param, `token ids from 0 to ${vocabSize - 1}`, unknown)
	}
}

/** Stop texts; empty ones mean nothing. */
export function toStop(stop: StoppingFields['stop'] = []): string[] {
	return (typeof stop === 'string' ? [stop] : stop).filter((text) => text !== '')
}

/** Ids that end a choice: those of the model, unless ignored, and those asked for. */
export function toStopTokenIds(
	body: StoppingFields,
	ofModel: readonly number[],
	vocabSize: number,
): number[] {
	const asked = (body.stop_token_ids ?? []).filter((id) => id < vocabSize)
	return [...new Set([...(body.ignore_eos ? [] : ofModel), ...asked])]
}

/** Tokens to generate: a wish above the cap counts as the cap, and so does -1. */
export function clampMaxTokens(maxTokens: number): number {
	return maxTokens < 0 ? completionTokensMax : Math.min(maxTokens, completionTokensMax)
}

/** Alternatives per prompt token for `prompt_logprobs`; null = not asked. Throws ApiError 400 with a stream. */
export function toPromptLogprobsCount(
	body: Pick<ChatCompletionRequest, 'prompt_logprobs' | 'stream'>,
): number | null {
	if (body.prompt_logprobs === undefined) return null
	if (body.stream) throw unsupportedParameter('prompt_logprobs', 'It does not go with a stream.')
	return body.prompt_logprobs
}

function toLogitBias(bias: Record<string, number>, vocabSize: number): [number, number][] {
	return Object.entries(bias).map(([key, value]) => {
		const id = /^\d{1,10}$/.test(key) ? Number(key) : Number.NaN
		if (!(id < vocabSize)) {
			throw invalidValue('logit_bias', `token ids from 0 to ${vocabSize - 1}`, key)
		}
		return [id, value]
	})
}
