import { type Static, Type } from '@sinclair/typebox'
import { optional } from '../../wire/fields.ts'
import { int32Max } from '../../wire/limits.ts'
import { seedField, topKField, topPField } from '../../wire/request-fields.ts'

/** How the next token is drawn, the temperature aside; `topk` and `topp` in each spelling. */
export const drawFields = {
	topk: topKField(0),
	top_k: optional(Type.Integer({ minimum: 0, maximum: int32Max, description: 'Alias of `topk`.' })),
	topp: topPField,
	top_p: optional(Type.Number({ minimum: 0, maximum: 1, description: 'Alias of `topp`.' })),
	seed: seedField,
}

const DrawObject = Type.Object(drawFields)
export type DrawFields = Static<typeof DrawObject>
