import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import { Fault } from '../../lib/fault.ts'
import { named } from '../../wire/fields.ts'
import type { ServerContext } from '../deps.ts'
import { operation } from '../openapi.ts'

const Health = named(
	'Health',
	Type.Object({
		status: Type.String({ enum: ['ok'] }),
		version: Type.String(),
		isa: Type.String({ description: 'Kernel instruction set in use.' }),
		models: Type.Integer({ description: 'Models that can be asked for.' }),
		running: Type.Integer({ description: 'Sequences being generated.' }),
		waiting: Type.Integer({ description: 'Sequences that wait for room.' }),
		store: Type.Optional(
			Type.Object(
				{
					status: Type.String({ enum: ['ok', 'degraded'] }),
					reason: Type.Union([Type.String(), Type.Null()]),
					secondsSinceContact: Type.Integer(),
				},
				{ description: 'The object store that runs come from; without it what is here is served.' },
			),
		),
	}),
)

const DRAINING_RETRY_SECONDS = 5
const STARTING_RETRY_SECONDS = 1

/** Alive, ready, and what is running. Open to all. */
export function probes(context: ServerContext) {
	const declaration = { tag: 'Service', security: 'none' } as const
	const readiness = operation({
		...declaration,
		id: 'checkReadiness',
		summary: 'Readiness',
		content: { 'application/json': Health },
		errors: [503],
	})
	const startup = operation({
		...declaration,
		id: 'checkStartup',
		summary: 'Startup: 503 until the models of `--preload` are in memory',
		content: {},
		errors: [503],
	})
	const liveness = operation({
		...declaration,
		id: 'checkLiveness',
		summary: 'Liveness',
		content: {},
	})
	const ping = operation({
		...declaration,
		id: 'pingByGet',
		summary: 'Liveness, by the name that some clients know',
		content: {},
	})
	const pingByPost = operation({
		...declaration,
		id: 'ping',
		summary: 'Liveness, for those who ask by POST',
		content: {},
	})
	const versionOperation = operation({
		...declaration,
		id: 'getVersion',
		summary: 'Version',
		content: { 'application/json': Type.Object({ version: Type.String() }) },
	})
	const version = () => ({ version: context.version })
	const ready = ({ request }: { request: Request }) => {
		// Several balancers may stand behind one address.
		const name = `${context.connections.addressOf(request)} ${request.headers.get('user-agent')}`
		context.readinessWatchers.seen(name, performance.now())
		return readyState(context)
	}
	const alive = () => new Response(null)
	const started = () => {
		checkStarted(context)
		return new Response(null)
	}
	return new Elysia()
		.get('/health', ready, readiness)
		.get('/v1/health', ready, readiness)
		.get('/healthz', ready, readiness)
		.get('/readyz', ready, readiness)
		.get('/startupz', started, startup)
		.get('/livez', alive, liveness)
		.get('/ping', alive, ping)
		.post('/ping', alive, pingByPost)
		.get('/version', version, versionOperation)
		.get('/api/version', version, versionOperation)
}

function checkStarted({ isStarted }: ServerContext): void {
	if (isStarted()) return
	const message = 'The models of --preload are being loaded.'
	throw new Fault('changing', message, { retrySeconds: STARTING_RETRY_SECONDS })
}

function readyState(context: ServerContext) {
	const { isDraining, engineStats, catalog, version, isaName } = context
	checkStarted(context)
	if (isDraining()) {
		const message = 'The server is shutting down.'
		throw new Fault('shutting-down', message, { retrySeconds: DRAINING_RETRY_SECONDS })
	}
	const { running, waiting } = engineStats()
	const models = catalog.list().length
	const store = storeDetails(context)
	return { status: 'ok', version, isa: isaName, models, running, waiting, ...store }
}

/** An outage of the store is told and makes nobody unready: what is here can be asked for. */
function storeDetails({ storeState }: ServerContext) {
	const state = storeState()
	if (state === null) return {}
	const { isReachable, reason, secondsSinceContact } = state
	return { store: { status: isReachable ? 'ok' : 'degraded', reason, secondsSinceContact } }
}
