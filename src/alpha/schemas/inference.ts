import { type Static, Type } from '@sinclair/typebox'
import { named, optional } from '../../wire/fields.ts'
import { maxTokensDescription, modelField, temperatureField } from '../../wire/request-fields.ts'
import { streamTemperatureDefault, streamTokensDefault, streamTokensMax } from '../limits.ts'
import { drawFields } from './fields.ts'

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
				description: maxTokensDescription(streamTokensMax),
			}),
		),
		temp: temperatureField(streamTemperatureDefault),
		...drawFields,
	},
	{ additionalProperties: true },
)
export type InferenceQuery = Static<typeof InferenceQuery>

/** An event of its stream. */
export const InferenceEvent = named(
	'InferenceEvent',
	Type.Object({ token: Type.String({ example: 'hello' }) }),
)
export type InferenceEvent = Static<typeof InferenceEvent>
