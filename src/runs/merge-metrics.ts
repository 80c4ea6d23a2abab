import { appendFile, open } from 'node:fs/promises'
import { parseObject } from './entries.ts'
import { readAllLines } from './line-file.ts'

/** Lines that a run may be ahead of the metrics of an upload, bytes. */
const AHEAD_BYTES_MAX = 2 ** 26

/**
 * Metrics that come with a checkpoint replace those that were reported, but take nothing away: steps
 * behind their last one are added to `arrivingPath`. False when they are the shorter record of the same
 * steps, so that what is at `storedPath` should stay.
 */
export async function mergeMetrics(arrivingPath: string, storedPath: string): Promise<boolean> {
	const arriving = await summarize(arrivingPath, Number.POSITIVE_INFINITY)
	const stored = await summarize(storedPath, arriving.lastStep)
	if (stored.count > arriving.count) return false
	if (stored.ahead.length === 0) return true
	await appendFile(arrivingPath, stored.ahead.map((line) => `${line}\n`).join(''))
	await using file = await open(arrivingPath, 'r+')
	await file.sync()
	return true
}

/** Counts the steps up to `stepMax` and keeps the lines behind it; a step counts as written last. */
async function summarize(path: string, stepMax: number) {
	const steps: number[] = []
	let ahead: { step: number; line: string }[] = []
	let aheadBytes = 0
	for await (const lines of readAllLines(path)) {
		for (const line of lines) {
			const step = parseObject(line)?.['step']
			if (typeof step !== 'number') continue
			// A training that went on from an older checkpoint writes its steps again.
			while (steps.length > 0 && steps[steps.length - 1]! >= step) steps.pop()
			ahead =
				ahead.length > 0 && ahead[ahead.length - 1]!.step >= step ? rewind(ahead, step) : ahead
			if (step <= stepMax) {
				steps.push(step)
				continue
			}
			aheadBytes += line.length
			if (aheadBytes > AHEAD_BYTES_MAX) throw new Error('the run is too far ahead of the upload')
			ahead.push({ step, line })
		}
	}
	const lastStep = steps.at(-1) ?? Number.NEGATIVE_INFINITY
	return { count: steps.length, lastStep, ahead: ahead.map(({ line }) => line) }
}

function rewind(ahead: readonly { step: number; line: string }[], step: number) {
	return ahead.filter((each) => each.step < step)
}
