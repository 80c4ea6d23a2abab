import { Elysia } from 'elysia'
import { AnyObject, LiveQuery } from '../../alpha/schemas/runs.ts'
import { newsFrame, snapshotFrame } from '../../alpha/training-runs.ts'
import { Fault } from '../../lib/fault.ts'
import type { Watcher } from '../../runs/live-feed.ts'
import { readLastMetrics } from '../../runs/read-logs.ts'
import type { ServerContext } from '../deps.ts'
import { operation } from '../openapi.ts'
import { queryReader } from '../query.ts'
import { eventStream, eventStreamHeaders } from '../sse.ts'
import { headResponse } from '../text-answer.ts'

/** Metrics of each run that a stream begins with. */
const SNAPSHOT_METRICS = 200

const RETRY_SECONDS = 10

const readQuery = queryReader(LiveQuery)

/** GET /api/training/live: news of the runs, as they come. */
export function trainingLive(context: ServerContext) {
	return new Elysia().get(
		'/api/training/live',
		({ request }) => stream(context, request),
		operation({
			tag: 'Training',
			id: 'watchTrainings',
			summary: 'Watch the trainings as server-sent events',
			description:
				'First a `snapshot`: the runs that report, each with its last 200 metrics. Then `run_start`, ' +
				'`metrics`, `heartbeat`, `samples`, `event`, `checkpoint`, `run_complete` and `run_removed`, ' +
				'each with `runId` and `run`, its directory. Who reads too slowly gets another `snapshot`.',
			query: LiveQuery,
			content: { 'text/event-stream': AnyObject },
			errors: [400, 401, 500, 503],
		}),
	)
}

function stream(context: ServerContext, request: Request): Response {
	if (request.method === 'HEAD') return headResponse('text/event-stream; charset=utf-8')
	const { trainings, limits, connections, log } = context
	const { run: id } = readQuery(request)
	if (trainings.feed.watcherCount >= limits.watchersMax) {
		const message = `${limits.watchersMax} clients are watching, which is the limit.`
		throw new Fault('overloaded', message, { retrySeconds: RETRY_SECONDS })
	}
	// The run may not have been heard of yet.
	const run = id === undefined ? null : (trainings.find(id)?.name ?? id)
	const watcher = trainings.feed.watch(run)
	const record = context.records.of(request)
	record.hold()
	connections.timeReader(request)
	const body = eventStream(
		{
			pieces: frames(context, watcher, run),
			fail: (error) => {
				log('error', 'live stream failed', { cause: String(error) })
				return null
			},
			closed: (end) => {
				void watcher.return()
				record.over(end)
			},
		},
		limits.pingMs,
	)
	return new Response(body, { headers: eventStreamHeaders })
}

async function* frames(
	context: ServerContext,
	watcher: Watcher,
	run: string | null,
): AsyncGenerator<string, void> {
	yield await snapshot(context, run)
	for (;;) {
		const { value, done } = await watcher.next()
		if (done) return
		yield value === 'missed' ? await snapshot(context, run) : value.map(newsFrame).join('')
	}
}

async function snapshot({ trainings }: ServerContext, name: string | null): Promise<string> {
	await trainings.ready()
	const runs = trainings.list().filter((run) => {
		return name === null ? run.state === 'active' || run.state === 'training' : run.name === name
	})
	const pictures = []
	for (const run of runs) {
		pictures.push({ run, metrics: await readLastMetrics(run, SNAPSHOT_METRICS) })
	}
	return snapshotFrame(pictures)
}
