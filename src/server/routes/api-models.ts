import { Elysia } from 'elysia'
import { toRun, toUnservedRun } from '../../alpha/responses.ts'
import { RunListSchema } from '../../alpha/schemas/models.ts'
import type { ServerDeps } from '../deps.ts'
import { operation } from '../openapi.ts'

/** GET /api/models. */
export function apiModels({ catalog }: ServerDeps) {
	return new Elysia({ name: 'api-models', normalize: false }).get(
		'/api/models',
		() => [...catalog.list().map(toRun), ...catalog.listUnserved().map(toUnservedRun)],
		operation({
			tag: 'Alpha',
			summary: 'List the models with their training metadata',
			description:
				'Newest checkpoint first; the first is the default model. Runs that cannot be served ' +
				'come last, with `state` and `reason`.',
			content: { 'application/json': RunListSchema },
			errors: [401, 500],
		}),
	)
}
