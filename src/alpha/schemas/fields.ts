import { Type } from '@sinclair/typebox'
import { optional } from '../../wire/fields.ts'
import { temperatureMax, topKDefault } from '../limits.ts'

export const modelField = optional(
	Type.String({
		description: 'Model id from /api/models. Default: the first of the list.',
		example: 'novels-austen',
	}),
)

export const seedField = optional(
	Type.Integer({
		minimum: Number.MIN_SAFE_INTEGER,
		maximum: Number.MAX_SAFE_INTEGER,
		description: 'Same seed and same request give the same text. Default: random.',
	}),
)

export const topKField = optional(
	Type.Integer({
		minimum: 0,
		maximum: 2 ** 31 - 1,
		default: topKDefault,
		description: 'Keep the k most likely tokens; 0 switches it off.',
	}),
)

export function temperatureField(defaultValue: number) {
	return optional(
		Type.Number({
			minimum: 0,
			maximum: temperatureMax,
			default: defaultValue,
			description: 'Sampling temperature; 0 always takes the most likely token.',
		}),
	)
}

export function maxTokensField(defaultValue: number, max: number) {
	return optional(
		Type.Integer({
			minimum: 1,
			default: defaultValue,
			description: `Most tokens to generate; more than ${max} counts as ${max}.`,
		}),
	)
}
