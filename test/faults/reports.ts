/* Reports that can be told apart afterwards: batch n has the steps 10 n + 1 to 10 n + 10. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Report } from '../../src/runs/report.ts'

export const runId = 'a run'

/** Batch 0 starts the run; each has metrics, an event and samples. */
export function reportsOf(batch: number): readonly Report[] {
	const steps = Array.from({ length: 10 }, (_, i) => 10 * batch + i + 1)
	const step = steps.at(-1) ?? 0
	const timestamp = '2026-03-01T12:00:00.000Z'
	const samples = [{ prompt: 'The', output: `The ${batch}` }]
	return [
		...(batch === 0 ? [start] : []),
		{ type: 'metrics', runId, points: steps.map((each) => ({ step: each, loss: 1 / each })) },
		{
			type: 'events',
			runId,
			events: [{ step, level: 'info', kind: 'eval', message: '', payload: null, timestamp }],
		},
		{ type: 'samples', runId, sampleSet: { step, samples, trend: null, timestamp } },
	]
}

const start: Report = {
	type: 'run_start',
	runId,
	domain: null,
	modelConfig: {},
	trainConfig: {},
	totalParams: null,
	infra: {},
}

/** Steps in a log of the run, without half a line at its end. Throws for a line that is none. */
export function stepsOf(directory: string, file: string): number[] {
	const path = join(directory, file)
	if (!existsSync(path)) return []
	const text = readFileSync(path, 'utf8')
	const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n')
	return lines.slice(0, -1).map((line) => (JSON.parse(line) as { step: number }).step)
}

/**
 * Checks what is stored after batches up to `acknowledged` were answered and `attempted` was tried: all
 * of the former, a beginning of the latter, nothing twice.
 */
export function checkStored(directory: string, acknowledged: number, attempted: number): void {
	const check = (file: string, perBatch: number, stepAt: (i: number) => number) => {
		const steps = stepsOf(directory, file)
		const isInOrder = steps.every((step, i) => step === stepAt(i))
		const [least, most] = [(acknowledged + 1) * perBatch, (attempted + 1) * perBatch]
		if (isInOrder && steps.length >= least && steps.length <= most) return
		throw new Error(`${file}: ${steps.length} of ${least} to ${most} lines: ${steps.slice(-15)}`)
	}
	check('metrics.jsonl', 10, (i) => i + 1)
	check('events.jsonl', 1, (i) => 10 * (i + 1))
	check('samples.jsonl', 1, (i) => 10 * (i + 1))
}
