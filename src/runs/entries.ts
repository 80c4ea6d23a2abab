/** What a trainer tells as lines of a run's files, and lines as what they tell. */
import { isRecord } from '../lib/json.ts'
import { JSON_DEPTH_MAX, nestsDeeperThan } from '../lib/json-scan.ts'
import type { Steps } from '../lib/steps.ts'
import { LINE_BYTES_MAX } from './line-file.ts'
import type { JsonObject, TrainingEvent } from './report.ts'

/** A line of a file and what it says. */
export interface Entry {
	readonly line: string
	readonly value: JsonObject
}

/** An event as it is told: with its number in the run. */
export interface EventRow extends TrainingEvent {
	readonly id: number
}

/** Lines of the points that have a step, in steps: a large batch must hold nobody up. */
export function* metricsEntries(
	points: readonly JsonObject[],
): Steps<{ readonly entries: readonly Entry[]; readonly first: number }> {
	const entries: Entry[] = []
	let first = Number.POSITIVE_INFINITY
	for (const point of points) {
		yield
		const { step } = point
		if (typeof step !== 'number') continue
		const entry = toEntry(point)
		if (entry === null) continue
		first = Math.min(first, step)
		entries.push(entry)
	}
	return { entries, first }
}

/** Null for what no reader would take: too long, or nested too deeply. */
export function toEntry(value: object): Entry | null {
	try {
		const line = JSON.stringify(value)
		const isFit = Buffer.byteLength(line) < LINE_BYTES_MAX && !nestsDeeperThan(line, JSON_DEPTH_MAX)
		return isFit ? { line, value: value as JsonObject } : null
	} catch {
		// Too deep even for JSON.stringify.
		return null
	}
}

/** Lines as objects, but for those that are none. */
export function toEntries(lines: readonly string[]): readonly Entry[] {
	return lines.flatMap((line) => {
		const value = parseObject(line)
		return value === null ? [] : [{ line, value }]
	})
}

/** A line of events.jsonl; null when it is none. */
export function parseEventRow(line: string, id: number): EventRow | null {
	const event = parseObject(line)
	return event && toEventRow(event, id)
}

/** What is missing gets the trainer's own defaults. */
export function toEventRow(event: JsonObject, id: number): EventRow {
	const { step, level, kind, message, payload, timestamp } = event
	return {
		id,
		step: numberOrNull(step),
		level: level === 'debug' || level === 'warn' || level === 'error' ? level : 'info',
		kind: typeof kind === 'string' ? kind : 'generic',
		message: typeof message === 'string' ? message : '',
		payload: payload ?? null,
		timestamp: typeof timestamp === 'string' ? timestamp : '',
	}
}

/** A line as an object; null when it is none. */
export function parseObject(line: string): JsonObject | null {
	try {
		const value: unknown = JSON.parse(line)
		return isRecord(value) ? value : null
	} catch {
		return null
	}
}

/** Samples carry the time of their arrival, which two arrivals do not share. */
export function withoutTime(line: string): string {
	return line.replace(/,"timestamp":"[^"]*"\}$/, '}')
}

/** Null for what is no finite number. */
export function numberOrNull(value: unknown): number | null {
	return typeof value === 'number' && Number.isFinite(value) ? value : null
}
