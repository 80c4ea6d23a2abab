import { Elysia } from 'elysia'
import { metricsPointsMax } from '../../alpha/limits.ts'
import { toModelCard } from '../../alpha/responses.ts'
import { ModelCardQuery, ModelCardSchema, ModelStateSchema } from '../../alpha/schemas/models.ts'
import { modelNotFound } from '../../models/catalog.ts'
import { setIdleTimeout } from '../connection.ts'
import type { ServerContext } from '../deps.ts'
import { operation } from '../openapi.ts'
import { strictQuery } from '../strict-query.ts'
import { UploadGuard } from '../upload-guard.ts'

const noMetrics = { lineCount: 0, badLineCount: 0, points: [] }

/** GET /api/models/{id}, and POST /load and /unload for those with the upload secret. */
export function modelCard({ catalog, uploads, limits }: ServerContext) {
	const guard = new UploadGuard(uploads.secret)
	const show = async (id: string, points: number) => {
		const details = catalog.details(id)
		const card = details?.card ?? catalog.listUnserved().find((run) => run.id === id)
		if (card === undefined) throw modelNotFound(id)
		const metrics = details === undefined ? noMetrics : await catalog.lossSeries(card.id, points)
		return toModelCard(card, details, metrics)
	}
	const load = async (id: string, request: Request) => {
		guard.check(request.headers)
		setIdleTimeout(request, 0)
		try {
			using lease = await catalog.acquire(id, request.signal)
			return { id: lease.id, state: 'loaded' }
		} finally {
			setIdleTimeout(request, limits.stallSeconds)
		}
	}
	const unload = async (id: string, request: Request) => {
		guard.check(request.headers)
		const card = catalog.find(id)
		if (card === undefined) throw modelNotFound(id)
		await catalog.unload(id)
		return { id: card.id, state: catalog.find(id)?.state ?? 'available' }
	}
	const changeHooks = (summary: string, description: string) =>
		operation({
			tag: 'Alpha',
			summary,
			description,
			content: { 'application/json': ModelStateSchema },
			errors: [401, 403, 404, 500, 503, 507],
			security: uploads.secret === null ? 'none' : 'uploadSecret',
		})
	return new Elysia({ name: 'model-card', normalize: false })
		.get(
			'/api/models/:id',
			({ params, query }) => show(params.id ?? '', query.points ?? metricsPointsMax),
			{
				...strictQuery(ModelCardQuery),
				...operation({
					tag: 'Alpha',
					summary: 'Everything about one model',
					description: 'Configuration, checkpoints, sizes, state and the training metrics.',
					content: { 'application/json': ModelCardSchema },
					errors: [400, 401, 404, 500],
				}),
			},
		)
		.post(
			'/api/models/:id/load',
			({ params, request }) => load(params.id ?? '', request),
			changeHooks('Load a model', 'Returns when the model is in memory.'),
		)
		.post(
			'/api/models/:id/unload',
			({ params, request }) => unload(params.id ?? '', request),
			changeHooks('Take a model out of memory', 'Running requests finish first.'),
		)
}
