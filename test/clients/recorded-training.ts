/** What must be there in the end of a recorded training, however it was sent. */
import { expect } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../helpers/eventually.ts'
import { type RecordedRequest, sendRecorded } from '../helpers/trainer-recording.ts'

/** What a recording says that must be there in the end. */
function expectations(requests: readonly RecordedRequest[]) {
	const assembly = requests.find(({ path }) => path === '/api/upload/assemble')?.json
	const config = assembly?.['config'] as { trainConfig: { iters: number } }
	return {
		runId: String(assembly?.['name']),
		step: Number(assembly?.['step']),
		metrics: String(assembly?.['metrics']),
		trainingData: String(assembly?.['trainingData']),
		iters: config.trainConfig.iters,
		events: requests.flatMap(({ json }) => {
			const event = json?.['event'] as { kind: string } | undefined
			return event === undefined ? [] : [event.kind]
		}),
		samples: requests.flatMap(({ json }) => (json?.['samples'] as object[] | undefined) ?? []),
	}
}

/** Checks that a server has all that a recording told, once. */
export async function expectAll(
	url: string,
	checkpoints: string,
	requests: readonly RecordedRequest[],
) {
	const { runId, step, metrics, trainingData, iters, events, samples } = expectations(requests)
	const id = encodeURIComponent(runId)
	const read = async (path: string) => (await fetch(`${url}${path}`)).json()
	const run = await read(`/api/runs/${id}`)
	expect(run).toMatchObject({
		run_id: runId,
		status: 'completed',
		latest_step: step,
		total_iters: iters,
		metric_count: iters,
		latest_checkpoint_step: step,
	})
	expect(readFileSync(join(checkpoints, run.id, 'metrics.jsonl'), 'utf8')).toBe(metrics)
	const rows: { kind: string; id: number }[] = await read(`/api/runs/${id}/events?limit=5000`)
	expect(rows.map(({ kind }) => kind)).toEqual(events)
	expect(await read(`/api/runs/${id}/samples`)).toMatchObject(samples)
	expect((await read(`/api/runs/${id}/training-data`)).text).toBe(trainingData)
	// Under the name of its directory and under the trainer's.
	for (const model of [run.id, runId, `${run.id}@${step}`]) {
		const prompt = encodeURIComponent('The ')
		const path = `/api/generate?prompt=${prompt}&max_tokens=5&model=${encodeURIComponent(model)}`
		expect(await read(path)).toMatchObject({
			text: expect.any(String),
			usage: { completion_tokens: expect.any(Number) },
		})
	}
}

/** Sends a request until it is answered with success, as long as that takes. */
export async function persist(url: string, request: RecordedRequest): Promise<void> {
	await eventually(async () => {
		const answer = await sendRecorded(url, request).catch(() => null)
		return answer?.ok === true
	}, 20_000)
}
