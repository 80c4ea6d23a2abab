/** Fields that the requests of both dialects have. */
import { Type } from '@sinclair/typebox'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { boundedText, optional } from './fields.ts'
import { int32Max, modelCharactersMax, temperatureMax, topKDefault } from './limits.ts'

/** What a request is read against. */
export interface RequestContext {
	readonly tokenizer: Tokenizer
	readonly vocabSize: number
	/** Used when the request names none. */
	readonly seed: number
}

export const modelField = optional(
	boundedText({
		maxLength: modelCharactersMax,
		description:
			'Model id; `name@step` asks for an older checkpoint. Default: the first model of the list.',
		example: 'novels-austen',
	}),
)

/** -1 is what clients send that cannot leave the field out. */
export const seedField = optional(
	Type.Integer({
		'x-absent': -1,
		'x-integer64': true,
		description:
			'Same seed and same request give the same text. Any integer; of one beyond 53 bits the lowest ' +
			'64 are folded into them. Default, and -1: random.',
		example: 42,
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

export const topPField = optional(
	Type.Number({
		minimum: 0,
		maximum: 1,
		default: 1,
		description: 'Nucleus sampling: keep the smallest set of tokens with this probability mass.',
	}),
)

/** `minimum` is -1 where clients send that to switch it off. */
export function topKField(minimum: 0 | -1) {
	const off = minimum === 0 ? '0 switches' : '0 and -1 switch'
	return optional(
		Type.Integer({
			minimum,
			maximum: int32Max,
			default: topKDefault,
			description: `Keep the k most likely tokens; ${off} it off.`,
		}),
	)
}

/** Description of a field that is clamped to `max`. */
export function maxTokensDescription(max: number): string {
	return `Most tokens to generate; more than ${max} counts as ${max}.`
}
