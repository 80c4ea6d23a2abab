import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import { Fault } from '../../lib/fault.ts'
import type { ServerDeps } from '../deps.ts'
import { operation } from '../openapi.ts'

const HealthSchema = Type.Object({
	status: Type.String({ enum: ['ok'] }),
	version: Type.String(),
	isa: Type.String({ description: 'Kernel instruction set in use.' }),
	models: Type.Integer({ description: 'Models that can be asked for.' }),
	running: Type.Integer({ description: 'Sequences being generated.' }),
	waiting: Type.Integer({ description: 'Sequences that wait for room.' }),
})

const drainingRetrySeconds = 5

/** Probes: alive, ready, and what is running. Never protected by keys. */
export function health(deps: ServerDeps) {
	const ready = () => {
		if (deps.isDraining()) {
			const message = 'The server is shutting down.'
			throw new Fault('shutting-down', message, { retrySeconds: drainingRetrySeconds })
		}
		const { running, waiting } = deps.engineStats()
		const models = deps.catalog.list().length
		return { status: 'ok', version: deps.version, isa: deps.isaName, models, running, waiting }
	}
	const hooks = operation({
		tag: 'Service',
		security: 'none',
		summary: 'Readiness',
		content: { 'application/json': HealthSchema },
		errors: [503],
	})
	const alive = () => new Response(null)
	const aliveHooks = operation({
		tag: 'Service',
		security: 'none',
		summary: 'Liveness',
		content: {},
	})
	return new Elysia({ name: 'health', normalize: false })
		.get('/health', ready, hooks)
		.get('/v1/health', ready, hooks)
		.get('/healthz', ready, hooks)
		.get('/readyz', ready, hooks)
		.get('/livez', alive, aliveHooks)
		.get('/ping', alive, aliveHooks)
		.post('/ping', alive, aliveHooks)
		.get(
			'/version',
			() => ({ version: deps.version }),
			operation({
				tag: 'Service',
				security: 'none',
				summary: 'Version',
				content: { 'application/json': Type.Object({ version: Type.String() }) },
			}),
		)
}
