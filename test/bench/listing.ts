/** What 200 runs in the directory cost while nobody asks for them. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench } from './bench-context.ts'
import { writeRun } from './checkpoint-writer.ts'
import { referenceModel } from './reference-models.ts'
import type { Goal } from './report.ts'
import { startServer } from './server-process.ts'
import { median } from './statistics.ts'

const RUNS = 200
const REQUESTS = 20
const LISTING_GOAL: Goal = { of: 'value', bound: 'max', limit: 5 }

export async function measureListing(bench: Bench): Promise<void> {
	const empty = join(bench.directory, 'no-runs')
	await mkdir(empty, { recursive: true })
	const full = join(bench.directory, 'many-runs')
	const shape = { vocabSize: 500, blockSize: 64, nLayer: 2, nEmbd: 64, nHead: 4 }
	for (let i = 0; i < RUNS; i++) writeRun(full, referenceModel(`run-${i}`, shape))

	await using few = await startServer(bench, empty)
	await using many = await startServer(bench, full)
	const found = (await (await fetch(url(many, '/api/models'))).json()) as readonly unknown[]
	if (found.length !== RUNS + 1) {
		throw new Error(`expected ${RUNS} runs and the embedded model, got ${found.length} models`)
	}
	await generate(few)
	await generate(many)
	const listing: number[] = []
	const openAiListing: number[] = []
	const ratios: number[] = []
	for (let round = 0; round < bench.rounds; round++) {
		listing.push(await medianMs(() => fetch(url(many, '/api/models'))))
		openAiListing.push(await medianMs(() => fetch(url(many, '/v1/models'))))
		const withoutRuns = await medianMs(() => generate(few))
		ratios.push((await medianMs(() => generate(many))) / withoutRuns)
	}
	const add = (name: string, unit: string, samples: readonly number[], goal: Goal | null) =>
		bench.report.add({ subject: `${RUNS} runs`, name, unit, samples, goal })
	add('GET /api/models', 'ms', listing, LISTING_GOAL)
	add('GET /v1/models', 'ms', openAiListing, LISTING_GOAL)
	add('one token of the embedded model, against no runs', '×', ratios, null)
}

function url({ port }: { readonly port: number }, path: string): string {
	return `http://127.0.0.1:${port}${path}`
}

function generate(server: { readonly port: number }): Promise<Response> {
	return fetch(url(server, '/v1/completions'), {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify({ model: 'novels-austen', prompt: 'It is', max_tokens: 1 }),
	})
}

/** Median milliseconds until an answer has been read to its end. */
async function medianMs(ask: () => Promise<Response>): Promise<number> {
	const samples: number[] = []
	for (let i = 0; i < REQUESTS; i++) {
		const start = performance.now()
		const response = await ask()
		await response.text()
		samples.push(performance.now() - start)
		if (!response.ok) throw new Error(`${response.url} answered ${response.status}`)
	}
	return median(samples)
}
