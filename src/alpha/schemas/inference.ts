import { type Static, Type } from '@sinclair/typebox'
import { optional } from '../../wire/fields.ts'
import { streamTemperatureDefault, streamTokensDefault, streamTokensMax } from '../limits.ts'
import { modelField, seedField, temperatureField, topKField } from './fields.ts'

/** Query of GET /api/inference. */
export const InferenceQuery = Type.Object(
	{
		query: optional(
			Type.String({ default: '', description: 'The prompt; may be empty.', example: 'The' }),
		),
		model: modelField,
		steps: optional(
			Type.Integer({
				minimum: 0,
				default: streamTokensDefault,
				description: `Most tokens to generate; more than ${streamTokensMax} counts as ${streamTokensMax}.`,
			}),
		),
		temp: temperatureField(streamTemperatureDefault),
		topk: topKField,
		seed: seedField,
	},
	{ additionalProperties: true },
)
export type InferenceQuery = Static<typeof InferenceQuery>
