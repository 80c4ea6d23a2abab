import type { ModelCard } from '../models/catalog.ts'

/** A model as GET /v1/models lists it. */
export function toModel(card: ModelCard) {
	return {
		id: card.id,
		object: 'model',
		created: Math.floor(card.mtimeMs / 1000),
		owned_by: 'alpha',
		...(card.contextLength === null ? {} : { max_model_len: card.contextLength }),
	}
}

/** Answer of GET /v1/models. */
export function toModelList(cards: readonly ModelCard[]) {
	return { object: 'list', data: cards.map(toModel) }
}
