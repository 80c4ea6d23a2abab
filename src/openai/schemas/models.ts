import { Type } from '@sinclair/typebox'
import { oneOf, wireObject } from '../../wire/fields.ts'

export const ModelSchema = wireObject({
	id: Type.String({ example: 'novels-austen' }),
	object: oneOf(['model']),
	created: Type.Integer({ description: 'Time of the checkpoint, Unix seconds.' }),
	owned_by: oneOf(['alpha']),
	max_model_len: Type.Optional(Type.Integer({ description: 'Context length in tokens.' })),
})

export const ModelListSchema = wireObject({
	object: oneOf(['list']),
	data: Type.Array(ModelSchema, {
		description: 'Newest checkpoint first; the first is the default.',
	}),
})
