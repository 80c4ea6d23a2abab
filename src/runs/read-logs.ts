/* What the files of a run hold, as much of it as somebody asks for. */
import { join } from 'node:path'
import { openRegularFile } from '../checkpoint/store/files.ts'
import {
	EVENTS_NAME,
	SAMPLES_NAME,
	TRAINING_LOG_NAME,
	TRAINING_TEXT_NAME,
} from '../checkpoint/store/names.ts'
import { readTrainerPoints, type TrainerState } from '../checkpoint/store/trainer-state.ts'
import { isRecord } from '../lib/json.ts'
import { type EventRow, parseEventRow, parseObject } from './entries.ts'
import { readAllLines, readLastLines } from './line-file.ts'
import type { EventLevel, JsonObject, SampleSet } from './report.ts'

/** Bytes at the end of a file that a question for the last lines looks through. */
const TAIL_BYTES_MAX = 2 ** 26

/** Bytes of the training text that are shown. */
const TEXT_BYTES_MAX = 2 ** 20

/** Where the metrics of a run are. */
export interface MetricsSource {
	/** Its directory. */
	readonly path: string
	/** What Hugging Face's Trainer tells, where no training log does. */
	readonly trainerState: TrainerState | null
}

/** The last `count` points of a run's metrics, by step ascending; of a step, what was told last counts. */
export async function readLastMetrics(
	{ path, trainerState }: MetricsSource,
	count: number,
): Promise<readonly JsonObject[]> {
	const points: JsonObject[] = []
	if (trainerState !== null) {
		for (const point of await readTrainerPoints(trainerState)) pushPoint(points, point)
		return points.slice(-count)
	}
	const lines = await readLastLines(join(path, TRAINING_LOG_NAME), count, TAIL_BYTES_MAX)
	for (const line of lines) {
		const point = parsePoint(line)
		if (point !== null) pushPoint(points, point)
	}
	return points
}

/**
 * All metrics of a run, by step ascending, thinned to at most `pointsMax`; of neighbours the one with a
 * validation loss stays, else the later one. Constant memory, in slices.
 */
export async function readMetrics(
	source: MetricsSource,
	pointsMax: number,
): Promise<readonly JsonObject[]> {
	let points: JsonObject[] = []
	let stride = 1
	let bucket: JsonObject | null = null
	let bucketed = 0
	for await (const batch of pointsOf(source)) {
		for (const point of batch) {
			bucket = joined(bucket, point)
			if (++bucketed < stride) continue
			pushPoint(points, bucket)
			bucket = null
			bucketed = 0
			if (points.length < 2 * pointsMax) continue
			points = halve(points)
			stride *= 2
		}
	}
	if (bucket !== null) pushPoint(points, bucket)
	while (points.length > pointsMax) points = halve(points)
	return points
}

async function* pointsOf({
	path,
	trainerState,
}: MetricsSource): AsyncGenerator<readonly JsonObject[]> {
	if (trainerState !== null) {
		yield await readTrainerPoints(trainerState)
		return
	}
	for await (const lines of readAllLines(join(path, TRAINING_LOG_NAME))) {
		yield lines.map(parsePoint).filter((point) => point !== null)
	}
}

export interface EventQuery {
	/** Only the last so many. */
	readonly last?: number
	/** Only those with a higher number. */
	readonly fromId?: number
	readonly fromStep?: number
	readonly level?: EventLevel
	readonly kind?: string
	/** Without `last`: the first so many. */
	readonly limit: number
}

/** Events of a run in their order. */
export async function readEvents(path: string, query: EventQuery): Promise<readonly EventRow[]> {
	const { last, fromId = 0, fromStep, level, kind, limit } = query
	const rows: EventRow[] = []
	let id = 0
	for await (const lines of readAllLines(join(path, EVENTS_NAME))) {
		for (const line of lines) {
			const row = ++id > fromId ? parseEventRow(line, id) : null
			if (row === null) continue
			if (fromStep !== undefined && (row.step ?? -1) < fromStep) continue
			if (level !== undefined && row.level !== level) continue
			if (kind !== undefined && row.kind !== kind) continue
			rows.push(row)
			if (last !== undefined && rows.length >= 2 * last) rows.splice(0, rows.length - last)
			if (last === undefined && rows.length === limit) return rows
		}
	}
	return last === undefined ? rows : rows.slice(-last)
}

/** The sample sets of a run, or those of one step. */
export async function readSamples(path: string, step?: number): Promise<readonly SampleSet[]> {
	const lines = await readLastLines(
		join(path, SAMPLES_NAME),
		Number.MAX_SAFE_INTEGER,
		TAIL_BYTES_MAX,
	)
	const sets = lines.flatMap((line) => toSampleSet(parseObject(line)) ?? [])
	return step === undefined ? sets : sets.filter((set) => set.step === step)
}

/** The beginning of the text that a run was trained on; null where nobody has sent it. */
export async function readTrainingText(path: string): Promise<string | null> {
	try {
		await using file = await openRegularFile(join(path, TRAINING_TEXT_NAME))
		const buffer = Buffer.alloc(TEXT_BYTES_MAX)
		const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
		return buffer.toString('utf8', 0, bytesRead)
	} catch {
		return null
	}
}

function toSampleSet(value: JsonObject | null): SampleSet | null {
	if (value === null || !Array.isArray(value['samples'])) return null
	const { step, samples, trend, timestamp } = value
	return {
		step: typeof step === 'number' ? step : null,
		samples: (samples as unknown[]).filter(isRecord).map(({ prompt, output }) => ({
			prompt: typeof prompt === 'string' ? prompt : '',
			output: typeof output === 'string' ? output : '',
		})),
		trend: trend ?? null,
		timestamp: typeof timestamp === 'string' ? timestamp : '',
	}
}

function parsePoint(line: string): JsonObject | null {
	const point = parseObject(line)
	return typeof point?.['step'] === 'number' ? point : null
}

function stepOf(point: JsonObject): number {
	return point['step'] as number
}

/**
 * A training that went on from an older checkpoint writes its steps again. Of the same step, each line
 * adds to what is known: some trainers tell loss and validation loss in two.
 */
function pushPoint(points: JsonObject[], point: JsonObject): void {
	while (points.length > 0 && stepOf(points[points.length - 1]!) > stepOf(point)) points.pop()
	const last = points.at(-1)
	if (last === undefined || stepOf(last) < stepOf(point)) points.push(point)
	else points[points.length - 1] = { ...last, ...point }
}

/** The point that stands for neighbours so far and the next one. */
function joined(earlier: JsonObject | null, point: JsonObject): JsonObject {
	if (earlier === null || stepOf(earlier) > stepOf(point)) return point
	return stepOf(earlier) === stepOf(point) ? { ...earlier, ...point } : preferred(earlier, point)
}

function halve(points: readonly JsonObject[]): JsonObject[] {
	const kept: JsonObject[] = []
	for (let i = 0; i < points.length; i += 2) {
		const [first, second] = [points[i]!, points[i + 1]]
		kept.push(second === undefined ? first : preferred(first, second))
	}
	return kept
}

function preferred(earlier: JsonObject | null, later: JsonObject): JsonObject {
	const hasValidation = (point: JsonObject) => typeof point['valLoss'] === 'number'
	return earlier !== null && hasValidation(earlier) && !hasValidation(later) ? earlier : later
}
