import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import {
	CheckpointRow,
	DomainRow,
	EventRowSchema,
	EventsQuery,
	MetricsQuery,
	MetricsRow,
	metricsRowsMax,
	RunsQuery,
	SampleRow,
	SamplesQuery,
	TrainingRunList,
	TrainingRunRow,
	TrainingText,
} from '../../alpha/schemas/runs.ts'
import {
	hasStatus,
	toCheckpointRow,
	toDomainRows,
	toEventRow,
	toMetricsRow,
	toRunRow,
	toSampleRows,
} from '../../alpha/training-runs.ts'
import {
	readEvents,
	readLastMetrics,
	readMetrics,
	readSamples,
	readTrainingText,
} from '../../runs/read-logs.ts'
import { findRunFile } from '../../runs/run-file.ts'
import type { RunOverview } from '../../runs/training-runs.ts'
import { notFound } from '../../wire/errors.ts'
import type { ServerContext } from '../deps.ts'
import { operation } from '../openapi.ts'
import { queryReader } from '../query.ts'

const readRunsQuery = queryReader(RunsQuery)
const readMetricsQuery = queryReader(MetricsQuery)
const readEventsQuery = queryReader(EventsQuery)
const readSamplesQuery = queryReader(SamplesQuery)

/** GET /api/runs and below: what trainings have told. */
export function trainingRuns(context: ServerContext) {
	const tag = 'Training'
	return new Elysia()
		.get(
			'/api/runs',
			({ request }) => listRuns(context, request),
			operation({
				tag,
				id: 'listRuns',
				summary: 'List the training runs',
				description: 'The one that was heard of last comes first.',
				query: RunsQuery,
				content: { 'application/json': TrainingRunList },
				errors: [400, 401, 500],
			}),
		)
		.get(
			'/api/runs/:id',
			async ({ params }) => toRunRow(await findRun(context, params.id)),
			operation({
				tag,
				id: 'getRun',
				summary: 'One training run',
				content: { 'application/json': TrainingRunRow },
				errors: [401, 404, 500],
			}),
		)
		.get(
			'/api/runs/:id/metrics',
			({ params, request }) => listMetrics(context, params.id, request),
			operation({
				tag,
				id: 'listRunMetrics',
				summary: 'Metrics of a run',
				description: 'By step; where a training was resumed, the later numbers of a step.',
				query: MetricsQuery,
				content: { 'application/json': Type.Array(MetricsRow) },
				errors: [400, 401, 404, 500],
			}),
		)
		.get(
			'/api/runs/:id/events',
			({ params, request }) => listEvents(context, params.id, request),
			operation({
				tag,
				id: 'listRunEvents',
				summary: 'Events of a run',
				query: EventsQuery,
				content: { 'application/json': Type.Array(EventRowSchema) },
				errors: [400, 401, 404, 500],
			}),
		)
		.get(
			'/api/runs/:id/samples',
			({ params, request }) => listSamples(context, params.id, request),
			operation({
				tag,
				id: 'listRunSamples',
				summary: 'What the model wrote while it was trained',
				query: SamplesQuery,
				content: { 'application/json': Type.Array(SampleRow) },
				errors: [400, 401, 404, 500],
			}),
		)
		.get(
			'/api/runs/:id/checkpoints',
			({ params }) => listCheckpoints(context, params.id),
			operation({
				tag,
				id: 'listRunCheckpoints',
				summary: 'Checkpoints of a run that can be asked for',
				content: { 'application/json': Type.Array(CheckpointRow) },
				errors: [401, 404, 500],
			}),
		)
		.get(
			'/api/runs/:id/training-data',
			({ params }) => showTrainingText(context, params.id),
			operation({
				tag,
				id: 'getRunTrainingText',
				summary: 'The beginning of the text that a run was trained on',
				content: { 'application/json': TrainingText },
				errors: [401, 404, 500],
			}),
		)
		.get(
			'/api/runs/:id/download/:file',
			({ params, request }) => download(context, params.id, params.file, request),
			operation({
				tag,
				id: 'downloadRunFile',
				summary: 'A file of a run',
				description:
					'`run.json`, `config.json`, `checkpoint-<step>.json`, `metrics.jsonl`, `events.jsonl`, ' +
					'`samples.jsonl` or `training-data.txt`; compressed with gzip where the client takes that.',
				content: { 'application/octet-stream': Type.String({ format: 'binary' }) },
				errors: [401, 404, 500],
			}),
		)
		.get(
			'/api/domains',
			async () => toDomainRows(await allRuns(context)),
			operation({
				tag,
				id: 'listDomains',
				summary: 'The domains that runs have',
				content: { 'application/json': Type.Array(DomainRow) },
				errors: [401, 500],
			}),
		)
}

async function allRuns({ trainings }: ServerContext): Promise<readonly RunOverview[]> {
	await trainings.ready()
	return trainings.list()
}

async function findRun({ trainings }: ServerContext, id: string): Promise<RunOverview> {
	await trainings.lookFor(id)
	const run = trainings.find(id)
	if (run === undefined) throw notFound('run', id, 'GET /api/runs lists the runs.')
	return run
}

async function listRuns(context: ServerContext, request: Request) {
	const { status, domain } = readRunsQuery(request)
	const runs = await allRuns(context)
	return runs
		.filter((run) => status === undefined || hasStatus(run, status))
		.filter((run) => domain === undefined || run.domain === domain)
		.map(toRunRow)
}

async function listMetrics(context: ServerContext, id: string, request: Request) {
	const { last, points = metricsRowsMax } = readMetricsQuery(request)
	const run = await findRun(context, id)
	const rows =
		last === undefined ? await readMetrics(run, points) : await readLastMetrics(run, last)
	return rows.map((point) => toMetricsRow(run.runId, point))
}

async function listEvents(context: ServerContext, id: string, request: Request) {
	const query = readEventsQuery(request)
	const { path, runId } = await findRun(context, id)
	const rows = await readEvents(path, { ...query, limit: query.limit ?? 500 })
	return rows.map((row) => toEventRow(runId, row))
}

async function listSamples(context: ServerContext, id: string, request: Request) {
	const { step } = readSamplesQuery(request)
	const { path, runId } = await findRun(context, id)
	const sets = await readSamples(path, step)
	return sets.flatMap((set) => toSampleRows(runId, set))
}

async function listCheckpoints(context: ServerContext, id: string) {
	const run = await findRun(context, id)
	return context.trainings.checkpoints(run.name).map((each) => toCheckpointRow(run, each))
}

async function showTrainingText(context: ServerContext, id: string) {
	const { path, runId } = await findRun(context, id)
	const text = await readTrainingText(path)
	if (text === null) throw notFound('training text of', runId, 'Its trainer has not sent any.')
	return { text, bytes: Buffer.byteLength(text), lines: text.split('\n').length }
}

async function download(context: ServerContext, id: string, name: string, request: Request) {
	const { path } = await findRun(context, id)
	const file = await findRunFile(path, name)
	if (file === null) throw notFound('file', name, 'The run has none of that name.')
	const headers: Record<string, string> = {
		'content-type': 'application/octet-stream',
		'content-disposition': `attachment; filename="${name}"`,
		'cache-control': 'no-cache',
		vary: 'accept-encoding',
	}
	if (request.method === 'HEAD') {
		return new Response(null, { headers: { ...headers, 'transfer-encoding': 'chunked' } })
	}
	context.connections.timeReader(request)
	const chunks = file.read()
	const body = new ReadableStream<Uint8Array>({
		async pull(controller) {
			const { value, done } = await chunks.next()
			if (done) controller.close()
			else controller.enqueue(value)
		},
		cancel: () => chunks.return().then(() => {}),
	})
	const takesGzip = /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '')
	if (!takesGzip) {
		return new Response(body, { headers: { ...headers, 'content-length': String(file.sizeBytes) } })
	}
	const zipped = body.pipeThrough(new CompressionStream('gzip') as unknown as TransformStream)
	return new Response(zipped, { headers: { ...headers, 'content-encoding': 'gzip' } })
}
