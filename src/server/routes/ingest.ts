import type { Static } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import { toCompleteReport, toReport } from '../../alpha/ingest.ts'
import { Accepted, CompleteBody, IngestBody } from '../../alpha/schemas/ingest.ts'
import { Repeats } from '../../runs/repeats.ts'
import type { JsonObject, Report } from '../../runs/report.ts'
import { ByteBudget } from '../byte-budget.ts'
import type { ServerContext } from '../deps.ts'
import { operation } from '../openapi.ts'
import { readReport } from '../report-body.ts'

/** Reports that may wait to be read. */
const WAITING_MAX = 1000

/** The same for all, which come by the hundred a second. */
const accepted = JSON.stringify({ ok: true } satisfies Static<typeof Accepted>)
const acceptedHeaders = {
	'content-type': 'application/json',
	'content-length': String(accepted.length),
}

/** POST /api/ingest and /api/ingest/complete: what trainers tell while they train. */
export function ingest(context: ServerContext) {
	const budget = new ByteBudget({
		bytesMax: context.limits.reportsBytesMax,
		waitingMax: WAITING_MAX,
		refusal: 'Too many reports are being read.',
	})
	const declaration = {
		tag: 'Training',
		content: { 'application/json': Accepted },
		errors: [400, 401, 403, 409, 413, 415, 500, 503, 507],
		security: 'uploadSecret',
	} as const
	const now = () => new Date().toISOString()
	return new Elysia()
		.post(
			'/api/ingest',
			({ request }) => take(context, budget, request, (body) => toReport(body, now())),
			{
				parse: 'none',
				...operation({
					...declaration,
					id: 'report',
					summary: 'Report from a training',
					description:
						'For any trainer. What is answered with 200 is on disk, beside the checkpoints of the run. ' +
						'Nothing has to be reported but metrics; a batch that was sent before is not stored twice.',
					body: IngestBody,
				}),
			},
		)
		.post(
			'/api/ingest/complete',
			({ request }) => take(context, budget, request, toCompleteReport),
			{
				parse: 'none',
				...operation({
					...declaration,
					id: 'reportEnd',
					summary: 'A training has ended',
					body: CompleteBody,
				}),
			},
		)
}

async function take(
	{ trainings, connections, limits, garbage }: ServerContext,
	budget: ByteBudget,
	request: Request,
	toReport: (body: JsonObject) => Report,
) {
	const declared = request.headers.get('content-length')
	const bytesMax = declared === null ? limits.reportBytesMax : Number(declared)
	// Whoever waits for a place moves no byte meanwhile, nor does the disk.
	return await connections.withoutIdleTimeout(request, async () => {
		using _room = await budget.take(bytesMax)
		connections.timeReader(request)
		await garbage.makeRoom(bytesMax)
		const { bytes, parts, size } = await readReport(request, limits.reportBytesMax, garbage)
		connections.suspendTimeout(request)
		const repeats = new Repeats(size)
		for await (const part of parts) await trainings.report(toReport(part), repeats)
		garbage.add(bytes)
		return new Response(accepted, { headers: acceptedHeaders })
	})
}
