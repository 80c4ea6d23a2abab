/** GET /v1/models and GET /v1/models/{id}. */
import { type Static, Type } from '@sinclair/typebox'
import type { ModelCard } from '../models/catalog.ts'
import { named, oneOf, wireObject } from '../wire/fields.ts'

/** A model as both answers show it. */
export const Model = named(
	'Model',
	wireObject({
		id: Type.String({ example: 'novels-austen' }),
		object: oneOf(['model']),
		created: Type.Integer({ description: 'Time of the checkpoint, Unix seconds.' }),
		owned_by: oneOf(['alpha']),
		max_model_len: Type.Optional(Type.Integer({ description: 'Context length in tokens.' })),
	}),
)

export const ModelList = named(
	'ModelList',
	wireObject({
		object: oneOf(['list']),
		data: Type.Array(Model, {
			description: 'Newest checkpoint first; the first is the default.',
		}),
	}),
)

export function toModel(card: ModelCard): Static<typeof Model> {
	return {
		id: card.id,
		object: 'model',
		created: Math.floor(card.mtimeMs / 1000),
		owned_by: 'alpha',
		...(card.contextLength === null ? {} : { max_model_len: card.contextLength }),
	}
}

export function toModelList(cards: readonly ModelCard[]): Static<typeof ModelList> {
	return { object: 'list', data: cards.map(toModel) }
}
