import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import { metricsPointsMax } from '../../alpha/limits.ts'
import { toModelCard, toRun, toUnservedRun } from '../../alpha/responses.ts'
import {
	ModelCardQuery,
	ModelCardSchema,
	ModelStateSchema,
	RunListSchema,
} from '../../alpha/schemas/models.ts'
import { Deleted, DeleteQuery } from '../../alpha/schemas/runs.ts'
import { lossAtStep } from '../../checkpoint/store/training-log.ts'
import { modelNotFound } from '../../models/catalog.ts'
import type { ServerContext } from '../deps.ts'
import { answerArchive } from '../model-archive.ts'
import { operation } from '../openapi.ts'
import { queryReader } from '../query.ts'
import { taggedJson } from '../tagged-json.ts'
import { headResponse } from '../text-answer.ts'

const readDeleteQuery = queryReader(DeleteQuery)
const readCardQuery = queryReader(ModelCardQuery)

/** GET /api/models and /api/models/{id}; POST /load and /unload for those with the upload secret. */
export function apiModels(context: ServerContext) {
	return new Elysia()
		.get(
			'/api/models',
			({ request }) => listRuns(context, request),
			operation({
				tag: 'Alpha',
				id: 'listModelSummaries',
				summary: 'List the models with their training metadata',
				description:
					'Newest checkpoint first; the first is the default model. Runs that cannot be served ' +
					'come last, with `state` and `reason`.',
				answerHeaders: ['ETag'],
				content: { 'application/json': RunListSchema },
				errors: [401, 500],
			}),
		)
		.delete(
			'/api/models',
			({ request }) => remove(context, request),
			operation({
				tag: 'Alpha',
				id: 'deleteRun',
				summary: 'Delete a run',
				description: 'It is out of sight at once, and stays in the trash of the server for a day.',
				query: DeleteQuery,
				content: { 'application/json': Deleted },
				errors: [400, 401, 403, 404, 409, 500, 503],
				security: 'uploadSecret',
			}),
		)
		.get(
			'/api/models/:id',
			({ params, request }) => showCard(context, params.id, request),
			operation({
				tag: 'Alpha',
				id: 'getModelCard',
				summary: 'Everything about one model',
				description: 'Configuration, checkpoints, sizes, state and the training metrics.',
				query: ModelCardQuery,
				content: { 'application/json': ModelCardSchema },
				errors: [400, 401, 404, 500],
			}),
		)
		.get(
			'/api/models/:id/export',
			({ params, request }) => exportModel(context, params.id, request),
			operation({
				tag: 'Alpha',
				id: 'exportModel',
				summary: 'A model for other tools',
				description:
					"A directory of Hugging Face's libraries as a tar file, as `alpha export` writes it: exact, in GPT-2's layout or with a modelling file of its own.",
				content: { 'application/octet-stream': Type.String({ format: 'binary' }) },
				errors: [400, 401, 403, 404, 500, 503, 507],
				security: 'uploadSecret',
			}),
		)
		.post(
			'/api/models/:id/load',
			({ params, request }) => load(context, params.id, request),
			changeOperation('loadModel', 'Load a model', 'Returns when the model is in memory.'),
		)
		.post(
			'/api/models/:id/unload',
			({ params }) => unload(context, params.id),
			changeOperation(
				'unloadModel',
				'Take a model out of memory',
				'Running requests finish first.',
			),
		)
}

function changeOperation(id: string, summary: string, description: string) {
	return operation({
		tag: 'Alpha',
		id,
		summary,
		description,
		content: { 'application/json': ModelStateSchema },
		errors: [401, 403, 404, 500, 503, 507],
		security: 'uploadSecret',
	})
}

async function listRuns({ catalog }: ServerContext, request: Request) {
	await catalog.lookFor()
	const runs = [...catalog.list().map(toRun), ...catalog.listUnserved().map(toUnservedRun)]
	return taggedJson(JSON.stringify(runs), request)
}

async function showCard({ catalog }: ServerContext, id: string, request: Request) {
	const { points = metricsPointsMax } = readCardQuery(request)
	await catalog.lookFor(id)
	const details = catalog.details(id)
	if (details !== undefined) {
		const { card } = details
		const series = await catalog.lossSeries(card.id, points)
		// The list has the loss of the whole run; a checkpoint that was asked for by step has its own.
		const isLatest = catalog.list().some((listed) => listed.id === card.id)
		const lastLoss = isLatest ? card.lastLoss : lossAtStep(series, card.trainingStep)
		return toModelCard({ ...card, lastLoss }, details, series)
	}
	const unserved = catalog.listUnserved().find((run) => run.id === id)
	if (unserved === undefined) throw modelNotFound(id)
	return toModelCard(unserved, undefined, { lineCount: 0, badLineCount: 0, points: [] })
}

async function remove({ trainings, uploads }: ServerContext, request: Request) {
	const { name } = readDeleteQuery(request)
	await trainings.lookFor(name)
	const run = trainings.find(name)
	if (run === undefined) throw modelNotFound(name)
	await uploads.remove(run.name)
	return { ok: true, deleted: run.name }
}

async function exportModel(context: ServerContext, id: string, request: Request) {
	await context.catalog.lookFor(id)
	if (context.catalog.details(id) === undefined) throw modelNotFound(id)
	// Of a length that only the export itself would tell.
	return request.method === 'HEAD'
		? headResponse('application/octet-stream')
		: answerArchive(context, id, request)
}

async function load({ catalog, connections }: ServerContext, id: string, request: Request) {
	using lease = await connections.withoutIdleTimeout(request, () =>
		catalog.acquire(id, request.signal),
	)
	return { id: lease.id, state: 'loaded' }
}

async function unload({ catalog }: ServerContext, id: string) {
	await catalog.lookFor(id)
	const card = catalog.find(id)
	if (card === undefined) throw modelNotFound(id)
	await catalog.unload(id)
	return { id: card.id, state: catalog.find(id)?.state ?? 'available' }
}
