import { type Static, Type } from '@sinclair/typebox'
import {
	generateMaxTokensDefault,
	generateTemperatureDefault,
	generateTokensMax,
} from '../limits.ts'
import { maxTokensField, modelField, optional, seedField, temperatureField } from './fields.ts'

/** Parameters of /api/generate; the query and the body take the same ones. */
export const GenerateRequest = Type.Object(
	{
		prompt: optional(
			Type.String({
				description: 'Text to complete. Required, in the query or in the body.',
				example: 'Once upon a time',
			}),
		),
		max_tokens: maxTokensField(generateMaxTokensDefault, generateTokensMax),
		temperature: temperatureField(generateTemperatureDefault),
		model: modelField,
		seed: seedField,
	},
	{ additionalProperties: true, example: { prompt: 'Once upon a time', max_tokens: 100 } },
)
export type GenerateRequest = Static<typeof GenerateRequest>

export const Generated = Type.Object({
	text: Type.String({ description: 'What was generated, without the prompt.' }),
	model: Type.String({ description: 'The model that answered.' }),
	usage: Type.Object({
		prompt_tokens: Type.Integer({ minimum: 0 }),
		completion_tokens: Type.Integer({ minimum: 0 }),
	}),
	finish_reason: Type.String({ enum: ['stop', 'length'] }),
})
