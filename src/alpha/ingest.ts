/** What trainers post to /api/ingest → reports. Only the envelope is checked: content is taken as it comes. */
import { isRecord } from '../lib/json.ts'
import type { EventLevel, JsonObject, Report, SampleSet, TrainingEvent } from '../runs/report.ts'
import { RUN_ID_LENGTH_MAX } from '../runs/run-name.ts'
import { invalidJson, invalidType, invalidValue, missingParameter } from '../wire/errors.ts'

/** Longest message of an event that is kept, characters. */
const messageLengthMax = 4096
const kindLengthMax = 128

const TYPES = 'run_start, metrics, event, events, samples or heartbeat'

/**
 * A posted text as an object. Python's NaN and Infinity, which JSON does not know, count as null: a
 * training that diverges must still be able to tell. Throws ApiError 400.
 */
export function parseReport(text: string): JsonObject {
	const value = parseReportValue(text)
	if (!isRecord(value)) throw invalidJson('it is no object')
	return value
}

/** Any value of such a text, likewise. */
export function parseReportValue(text: string): unknown {
	const value = parse(text) ?? parse(withoutNonFinite(text))
	if (value === undefined) throw invalidJson('it cannot be parsed')
	return value
}

/** The body of POST /api/ingest; `now` stands in where no time is given. Throws ApiError 400. */
export function toReport(body: JsonObject, now: string): Report {
	const { type } = body
	if (type === undefined || type === null) throw missingParameter('type')
	if (typeof type !== 'string') throw invalidType('type', 'a string', type)
	const runId = checkRunId(body['runId'])
	switch (type) {
		case 'run_start':
			return {
				type,
				runId,
				domain: textOrNull(body['domain']),
				modelConfig: objectOf(body['modelConfig']),
				trainConfig: objectOf(body['trainConfig']),
				totalParams: numberOrNull(body['totalParams']),
				infra: objectOf(body['infra']),
			}
		case 'metrics':
			return { type, runId, points: objectsOf(body['metrics']) }
		case 'event':
		case 'events': {
			const events = objectsOf(body[type])
			return { type: 'events', runId, events: events.map((event) => toEvent(event, now)) }
		}
		case 'samples':
			return { type, runId, sampleSet: toSampleSet(body, now) }
		case 'heartbeat':
			return { type, runId, step: numberOrNull(body['step']) }
		default:
			throw invalidValue('type', TYPES, type)
	}
}

/** The body of POST /api/ingest/complete. Throws ApiError 400. */
export function toCompleteReport(body: JsonObject): Report {
	return {
		type: 'complete',
		runId: checkRunId(body['runId']),
		finalStep: numberOrNull(body['finalStep']),
		isFailed: body['failed'] === true,
	}
}

function checkRunId(runId: unknown): string {
	if (runId === undefined || runId === null) throw missingParameter('runId')
	if (typeof runId !== 'string') throw invalidType('runId', 'a string', runId)
	if (runId !== '' && runId.length <= RUN_ID_LENGTH_MAX) return runId
	throw invalidValue('runId', `1 to ${RUN_ID_LENGTH_MAX} characters`, runId)
}

function toEvent(event: JsonObject, now: string): TrainingEvent {
	const { level, kind, message, payload, timestamp } = event
	return {
		step: numberOrNull(event['step']),
		level: isLevel(level) ? level : 'info',
		kind: (textOrNull(kind)?.trim() || 'generic').slice(0, kindLengthMax),
		message: (textOrNull(message) ?? '').slice(0, messageLengthMax),
		payload: payload ?? null,
		timestamp: isTime(timestamp) ? timestamp : now,
	}
}

function toSampleSet(body: JsonObject, now: string): SampleSet {
	return {
		step: numberOrNull(body['step']),
		samples: objectsOf(body['samples']).map(({ prompt, output }) => ({
			prompt: textOrNull(prompt) ?? '',
			output: textOrNull(output) ?? '',
		})),
		trend: body['trend'] ?? null,
		timestamp: now,
	}
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text)
	} catch {
		return undefined
	}
}

function withoutNonFinite(text: string): string {
	return text.replace(/"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g, (found) =>
		found.startsWith('"') ? found : 'null',
	)
}

/** One object counts as a list of one. */
function objectsOf(value: unknown): readonly JsonObject[] {
	if (isRecord(value)) return [value]
	return Array.isArray(value) ? value.filter(isRecord) : []
}

function objectOf(value: unknown): JsonObject {
	return isRecord(value) ? value : {}
}

function isLevel(value: unknown): value is EventLevel {
	return value === 'debug' || value === 'info' || value === 'warn' || value === 'error'
}

function isTime(value: unknown): value is string {
	return typeof value === 'string' && value.length < 64 && Number.isFinite(Date.parse(value))
}

function textOrNull(value: unknown): string | null {
	return typeof value === 'string' ? value : null
}

function numberOrNull(value: unknown): number | null {
	return typeof value === 'number' && Number.isFinite(value) ? value : null
}
