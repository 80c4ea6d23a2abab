import { Elysia } from 'elysia'
import { modelNotFound } from '../../models/catalog.ts'
import { Model, ModelList, toModel, toModelList } from '../../openai/models.ts'
import type { ServerDeps } from '../deps.ts'
import { operation } from '../openapi.ts'

/** GET /v1/models and /v1/models/{id}. */
export function models({ catalog }: ServerDeps) {
	const list = () => toModelList(catalog.list())
	const retrieve = (id: string | null) => {
		const card = catalog.find(id ?? '')
		if (card === undefined) throw modelNotFound(id ?? '')
		return toModel(card)
	}
	const listHooks = operation({
		tag: 'OpenAI',
		summary: 'List the models',
		content: { 'application/json': ModelList },
		errors: [401, 500],
	})
	const retrieveHooks = operation({
		tag: 'OpenAI',
		summary: 'One model',
		content: { 'application/json': Model },
		errors: [401, 404, 500],
	})
	return new Elysia({ name: 'models', normalize: false })
		.get('/v1/models', list, listHooks)
		.get('/models', list, listHooks)
		.get('/v1/models/:id', ({ params }) => retrieve(params.id), retrieveHooks)
		.get('/models/:id', ({ params }) => retrieve(params.id), retrieveHooks)
}
