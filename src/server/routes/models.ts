import { Elysia } from 'elysia'
import { modelNotFound } from '../../models/catalog.ts'
import { Model, ModelList, toModel, toModelList } from '../../openai/models.ts'
import type { ServerContext } from '../deps.ts'
import { operation } from '../openapi.ts'

/** GET /models and /models/{id}. */
export function models({ catalog }: ServerContext) {
	return new Elysia()
		.get(
			'/models',
			async () => {
				await catalog.lookFor()
				return toModelList(catalog.list())
			},
			operation({
				tag: 'OpenAI',
				id: 'listModels',
				summary: 'List the models',
				content: { 'application/json': ModelList },
				errors: [401, 500],
			}),
		)
		.get(
			'/models/:id',
			async ({ params }) => {
				await catalog.lookFor(params.id)
				const card = catalog.find(params.id)
				if (card === undefined) throw modelNotFound(params.id)
				return toModel(card)
			},
			operation({
				tag: 'OpenAI',
				id: 'retrieveModel',
				summary: 'One model',
				content: { 'application/json': Model },
				errors: [401, 404, 500],
			}),
		)
}
