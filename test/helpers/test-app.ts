/** The app with a scripted catalog: `call` goes through `app.handle`, `listen` opens a real socket. */

import { Fault } from '../../src/lib/fault.ts'
import { LiveFeed } from '../../src/runs/live-feed.ts'
import { createApp } from '../../src/server/app.ts'
import { Connections } from '../../src/server/connections.ts'
import {
	defaultLimits,
	type ServerDeps,
	type Trainings,
	type Uploads,
} from '../../src/server/deps.ts'
import { listen } from '../../src/server/listen.ts'
import { ReadinessWatchers } from '../../src/server/readiness-watchers.ts'
import { createFakeCatalog, type FakeCatalogOptions } from './fake-catalog.ts'

const unexpected = () => Promise.reject(new Error('not expected'))

/** A closed upload door. */
export const noUploads: Uploads = {
	secret: null,
	receive: unexpected,
	receivePiece: unexpected,
	assemble: unexpected,
	remove: unexpected,
}

/** No training has been heard of, and reports go nowhere. */
export function noTrainings(): Trainings {
	return {
		report: () => Promise.resolve(),
		ready: () => Promise.resolve(),
		lookFor: () => Promise.resolve(),
		list: () => [],
		find: () => undefined,
		checkpoints: () => [],
		feed: new LiveFeed(),
	}
}

export interface TestAppOptions extends FakeCatalogOptions {
	readonly deps?: Partial<ServerDeps>
}

export function testApp({ deps = {}, ...catalogOptions }: TestAppOptions = {}) {
	const catalog = createFakeCatalog(catalogOptions)
	const logged: string[] = []
	const { stallSeconds } = deps.limits ?? defaultLimits
	const connections = new Connections({ stallSeconds, idleSeconds: 60 })
	const app = createApp({
		catalog,
		engineStats: () => ({
			running: 0,
			waiting: 0,
			withoutRoom: 0,
			promptTokensTotal: 0,
			cachedTokensTotal: 0,
			generatedTokensTotal: 0,
			stepsTotal: 0,
			kvBlocksUsed: 0,
			kvBlocksTotal: 0,
			unreadBytes: 0,
			parkedTotal: 0,
			cutTotal: 0,
		}),
		storeState: () => null,
		refusalFor: () => null,
		trustedProxies: [],
		sharesCache: false,
		uploads: noUploads,
		exports: {
			write: () => Promise.reject(new Fault('invalid', 'Nothing is exported here.')),
		},
		directory: '/runs',
		trainings: noTrainings(),
		apiKeys: [],
		limits: { ...defaultLimits, refusalMs: 0 },
		version: '1.2.3',
		isaName: 'scalar',
		log: (level, message, fields) => logged.push(JSON.stringify({ level, message, ...fields })),
		tracing: null,
		isStarted: () => true,
		isDraining: () => false,
		readinessWatchers: new ReadinessWatchers(),
		connections,
		...deps,
	})
	return {
		app,
		connections,
		catalog,
		logged,
		get: (path: string, headers: Record<string, string> = {}) =>
			app.handle(new Request(`http://localhost${path}`, { headers })),
		post: (path: string, body: unknown, headers: Record<string, string> = {}) =>
			app.handle(
				new Request(`http://localhost${path}`, {
					method: 'POST',
					body: typeof body === 'string' ? body : JSON.stringify(body),
					headers: { 'content-type': 'application/json', ...headers },
				}),
			),
		/** Serves on a free port; `using` stops it. */
		listen(idleSeconds = 10) {
			const server = listen(app, {
				host: '127.0.0.1',
				port: 0,
				idleSeconds,
				connections,
			})
			const url = `http://127.0.0.1:${server.port}`
			return { url, port: server.port!, [Symbol.dispose]: () => void server.stop(true) }
		},
	}
}
