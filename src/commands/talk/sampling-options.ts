/** How `generate` and `run` sample: as `POST /api/generate`, but for a screenful of tokens by default. */
import { generateTemperatureDefault } from '../../alpha/limits.ts'
import { completionTokensMax, int32Max, temperatureMax, topKDefault } from '../../wire/limits.ts'
import { integerOption, numberOption } from '../settings/option-kinds.ts'
import type { Values } from '../settings/options.ts'

export const samplingOptions = {
	maxTokens: integerOption({
		flag: '--max-tokens',
		min: 1,
		max: completionTokensMax,
		defaultValue: 200,
		help: 'tokens to generate',
	}),
	temperature: numberOption({
		flag: '--temperature',
		min: 0,
		max: temperatureMax,
		defaultValue: generateTemperatureDefault,
		help: '0 always takes the likeliest token',
	}),
	topK: integerOption({
		flag: '--top-k',
		min: 0,
		max: int32Max,
		defaultValue: topKDefault,
		help: 'draw from the k likeliest tokens; 0 from all',
	}),
	topP: numberOption({
		flag: '--top-p',
		min: 0,
		max: 1,
		defaultValue: 1,
		help: 'draw from the likeliest tokens of this probability mass',
	}),
	seed: integerOption({
		flag: '--seed',
		min: 0,
		max: Number.MAX_SAFE_INTEGER,
		defaultValue: null,
		defaultText: 'random',
		help: 'the same seed gives the same text',
	}),
}

export type Sampling = Values<typeof samplingOptions>

/** The fields of a request to `/api/generate`. */
export function drawFields({ temperature, topK, topP, seed }: Sampling) {
	const freshSeed = crypto.getRandomValues(new Uint32Array(1))[0]!
	return { temperature, topk: topK, topp: topP, seed: seed ?? freshSeed }
}
