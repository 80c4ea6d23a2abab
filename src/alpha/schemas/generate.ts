import { type Static, Type } from '@sinclair/typebox'
import { named, oneOf, optional } from '../../wire/fields.ts'
import { completionTokensMax } from '../../wire/limits.ts'
import { maxTokensDescription, modelField, temperatureField } from '../../wire/request-fields.ts'
import { generateMaxTokensDefault, generateTemperatureDefault } from '../limits.ts'
import { drawFields } from './fields.ts'

const settings = {
	max_tokens: optional(
		Type.Integer({
			minimum: -1,
			default: generateMaxTokensDefault,
			'x-absent': -1,
			description: `${maxTokensDescription(completionTokensMax)} -1 is as many as allowed.`,
		}),
	),
	temperature: temperatureField(generateTemperatureDefault),
	model: modelField,
	...drawFields,
}

/** Settings of /api/generate that a query may add to the body of a POST. */
export const GenerateSettings = Type.Object(settings, { additionalProperties: true })

/** Parameters of /api/generate: the query of a GET; of a POST the body, overlaid by the query. */
export const GenerateRequest = named(
	'GenerateRequest',
	Type.Object(
		{
			prompt: Type.String({ description: 'Text to complete.', example: 'Once upon a time' }),
			...settings,
		},
		{ additionalProperties: true, example: { prompt: 'Once upon a time', max_tokens: 100 } },
	),
)
export type GenerateRequest = Static<typeof GenerateRequest>

export const Generated = named(
	'Generated',
	Type.Object({
		text: Type.String({ description: 'What was generated, without the prompt.' }),
		model: Type.String({ description: 'The model that answered.' }),
		usage: Type.Object({
			prompt_tokens: Type.Integer({ minimum: 0 }),
			completion_tokens: Type.Integer({ minimum: 0 }),
		}),
		finish_reason: oneOf(['stop', 'length']),
	}),
)
export type Generated = Static<typeof Generated>
