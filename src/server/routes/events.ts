import { Elysia } from 'elysia'
import { toListedModel } from '../../alpha/responses.ts'
import { AnyObject } from '../../alpha/schemas/runs.ts'
import { toProgress } from '../../alpha/training-runs.ts'
import { Fault } from '../../lib/fault.ts'
import type { Watched } from '../../runs/live-feed.ts'
import type { ServerContext } from '../deps.ts'
import { operation } from '../openapi.ts'
import { eventStream, eventStreamHeaders } from '../sse.ts'
import { headResponse } from '../text-answer.ts'

/** Changes are gathered for so long: a copied directory is many changes. */
const GATHER_MS = 150

const RETRY_SECONDS = 10

/** GET /api/events: the list of models with their states, and how far trainings are, as it changes. */
export function events(context: ServerContext) {
	const list = new ListedModels(context)
	return new Elysia().get(
		'/api/events',
		({ request }) => stream(context, list, request),
		operation({
			tag: 'Alpha',
			id: 'watchModels',
			summary: 'Watch the list of models as server-sent events',
			description:
				'First `server`: its `directory` of runs, and whether `uploads` are on. Then, and after each change, `models`: the list of GET /api/models, each model with its ' +
				'`state` and `parameterCount`. Between, `progress`: `run`, `status`, `step`, `totalSteps` and `loss` of a training.',
			content: { 'text/event-stream': AnyObject },
			errors: [401, 500, 503],
		}),
	)
}

/** The list as one event, made once per change however many watch. */
class ListedModels {
	readonly #context: ServerContext
	#frame = ''
	#isOutdated = true

	constructor(context: ServerContext) {
		this.#context = context
		context.catalog.onChange(() => {
			this.#isOutdated = true
		})
	}

	frame(): string {
		if (this.#isOutdated) {
			this.#isOutdated = false
			const { catalog } = this.#context
			const models = [...catalog.list(), ...catalog.listUnserved()].map((card) =>
				toListedModel(card, catalog.details(card.id)),
			)
			this.#frame = `event: models\ndata: ${JSON.stringify(models)}\n\n`
		}
		return this.#frame
	}
}

function stream(context: ServerContext, list: ListedModels, request: Request): Response {
	if (request.method === 'HEAD') return headResponse('text/event-stream; charset=utf-8')
	const { limits, connections, log, trainings } = context
	if (trainings.feed.watcherCount >= limits.watchersMax) {
		const message = `${limits.watchersMax} clients are watching, which is the limit.`
		throw new Fault('overloaded', message, { retrySeconds: RETRY_SECONDS })
	}
	const ending = new AbortController()
	const record = context.records.of(request)
	record.hold()
	connections.timeReader(request)
	const body = eventStream(
		{
			pieces: frames(context, list, ending.signal),
			fail: (error) => {
				log('error', 'stream of events failed', { cause: String(error) })
				return null
			},
			closed: (end) => {
				ending.abort()
				record.over(end)
			},
		},
		limits.pingMs,
	)
	return new Response(body, { headers: eventStreamHeaders })
}

async function* frames(
	{ catalog, trainings, directory, uploads }: ServerContext,
	list: ListedModels,
	ending: AbortSignal,
): AsyncGenerator<string, void> {
	let wake = () => {}
	let hasChanged = true
	const stopListening = catalog.onChange(() => {
		hasChanged = true
		wake()
	})
	const watcher = trainings.feed.watch(null)
	const end = () => {
		stopListening()
		void watcher.return()
		wake()
	}
	ending.addEventListener('abort', end, { once: true })
	yield `event: server\ndata: ${JSON.stringify({ directory, uploads: uploads.secret !== null })}\n\n`
	await catalog.lookFor()
	let sent = ''
	let news = watcher.next()
	while (!ending.aborted) {
		if (hasChanged) {
			hasChanged = false
			const frame = list.frame()
			if (frame !== sent) yield frame
			sent = frame
		}
		const { promise: change, resolve } = Promise.withResolvers<null>()
		wake = () => resolve(null)
		if (hasChanged) wake()
		const told = await Promise.race([change, news])
		if (told === null) {
			await Bun.sleep(GATHER_MS)
			continue
		}
		if (told.done) return
		news = watcher.next()
		yield progressFrames(trainings, told.value)
	}
}

function progressFrames(trainings: ServerContext['trainings'], told: Watched): string {
	const names =
		told === 'missed' ? trainings.list().map(({ name }) => name) : told.map(({ run }) => run)
	return [...new Set(names)]
		.map((name) => trainings.find(name))
		.filter((run) => run !== undefined)
		.map((run) => `event: progress\ndata: ${JSON.stringify(toProgress(run))}\n\n`)
		.join('')
}
