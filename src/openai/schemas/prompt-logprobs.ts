import { type Static, Type } from '@sinclair/typebox'
import { nullable, optional, orderedObject, wireObject } from '../../wire/fields.ts'
import { topLogprobsMax } from '../limits.ts'

/** The field that asks for log-probabilities of the prompt, in the shape of vLLM. */
export const promptLogprobsField = optional(
	Type.Integer({
		minimum: 0,
		maximum: topLogprobsMax,
		description:
			'Report `prompt_logprobs`: for each token of the prompt its log-probability and rank, with this ' +
			'many alternatives. Not with `stream`.',
	}),
)

/** Per prompt token, by token id; null where nothing precedes the token or the model did not read it. */
export const PromptLogprobs = Type.Array(
	nullable(
		orderedObject(
			wireObject({
				logprob: Type.Number({ maximum: 0 }),
				rank: Type.Integer({ minimum: 1 }),
				decoded_token: Type.String(),
			}),
		),
	),
)
export type PromptLogprobs = Static<typeof PromptLogprobs>
