/*
 * trainer_state.json, in which Hugging Face's Trainer tells of a training: how far it is, and all that it
 * logged (`log_history`, flat objects). It is written anew, whole, beside each checkpoint.
 */
import { join } from 'node:path'
import { isRecord } from '../../lib/json.ts'
import { inSlices, type Steps } from '../../lib/steps.ts'
import { lookAt, readSmallFile } from './files.ts'
import { TRAINER_STATE_NAME } from './names.ts'
import { type LogPoint, type LossSeries, SeriesBuilder } from './training-log.ts'

/** Largest file that is read. */
const STATE_BYTES_MAX = 2 ** 26

/** What the file says in one state of itself. The object stays the same for as long as the file does. */
export interface TrainerState {
	readonly path: string
	/** Changes whenever the file's bytes may have changed. */
	readonly identity: string
	/** Step at which it was written. */
	readonly globalStep: number
	/** Steps that the training shall have; null where it does not say. */
	readonly maxSteps: number | null
	readonly batchSize: number | null
	/** Of the last step that has one, the validation loss before the loss. */
	readonly lastLoss: number | null
}

/** What training logs of ours call the numbers that Trainer logs; others keep their names. */
const NAMES: Readonly<Record<string, string>> = {
	eval_loss: 'valLoss',
	learning_rate: 'lr',
	grad_norm: 'gradNorm',
}

/**
 * Reads the state file in `directory`. `known` is what was read before; it stays while the file cannot
 * be read, or is half written. Null where there is none.
 */
export async function readTrainerState(
	directory: string,
	known: TrainerState | null,
): Promise<TrainerState | null> {
	const path = join(directory, TRAINER_STATE_NAME)
	const state = await lookAt(path)
	if (state.type === 'unreadable') return known
	if (state.type !== 'file') return null
	const { identity } = state
	if (known?.path === path && known.identity === identity) return known
	const text = await readText(path)
	if (text === null) return known
	const { points, head, tail } = await inSlices(pointsOf(text))
	const last = points.findLast((point) => lossOf(point) !== null)
	const numberOf = (field: string) => numberIn(head, field) ?? numberIn(tail, field)
	return {
		path,
		identity,
		globalStep: numberOf('global_step') ?? points.at(-1)?.['step'] ?? 0,
		maxSteps: numberOf('max_steps'),
		batchSize: numberOf('train_batch_size'),
		lastLoss: last === undefined ? null : lossOf(last),
	}
}

/** Everything that was logged, by our names, one point for the entries of a step. Empty where the file is no state. */
export async function readTrainerPoints({ path }: TrainerState): Promise<readonly LogPoint[]> {
	const text = await readText(path)
	return text === null ? [] : (await inSlices(pointsOf(text))).points
}

/** The same as a series of at most `pointsMax` points. */
export async function readTrainerSeries(
	state: TrainerState,
	pointsMax: number,
): Promise<LossSeries> {
	const series = new SeriesBuilder(pointsMax)
	for (const point of await readTrainerPoints(state)) series.pushPoint(point)
	return series.finish('')
}

/** The text of a file that is closed, or null: Trainer writes it in place. */
async function readText(path: string): Promise<string | null> {
	try {
		const text = (await readSmallFile(path, STATE_BYTES_MAX)).toString('utf8')
		return text.trimEnd().endsWith('}') ? text : null
	} catch {
		return null
	}
}

/** The points, and what stands before and behind them in the file. */
function* pointsOf(
	text: string,
): Steps<{ readonly points: readonly LogPoint[]; readonly head: string; readonly tail: string }> {
	const start = text.indexOf('"log_history"')
	const points: LogPoint[] = []
	const head = start === -1 ? text : text.slice(0, start)
	const entries = /\s*[[,]\s*(\{[^{}]*\})/y
	entries.lastIndex = start === -1 ? text.length : text.indexOf(':', start) + 1
	let end = entries.lastIndex
	for (let match = entries.exec(text); match !== null; match = entries.exec(text)) {
		end = entries.lastIndex
		push(points, parseEntry(match[1]!))
		yield
	}
	return { points, head, tail: text.slice(end) }
}

/** Entries of one step add up: loss and validation loss come in two. */
function push(points: LogPoint[], point: LogPoint | null): void {
	if (point === null) return
	const last = points.at(-1)
	if (last?.['step'] !== point['step']) points.push(point)
	else points[points.length - 1] = { ...last, ...point }
}

/** Null for what is no object with a step. */
function parseEntry(text: string): LogPoint | null {
	try {
		// Python writes numbers that JSON does not have; they are null in training logs.
		const value: unknown = JSON.parse(text.replace(/:\s*(?:NaN|-?Infinity)\b/g, ': null'))
		if (!isRecord(value) || !Number.isSafeInteger(value['step'])) return null
		const isNumber = (item: unknown) => item === null || Number.isFinite(item)
		const numbers = Object.entries(value).filter(([, item]) => isNumber(item))
		const renamed = numbers.map(([name, item]) => [NAMES[name] ?? name, item])
		return Object.fromEntries(renamed) as LogPoint
	} catch {
		return null
	}
}

function lossOf(point: LogPoint): number | null {
	return point['valLoss'] ?? point['loss'] ?? null
}

/** A count among the state's own fields. */
function numberIn(text: string, field: string): number | null {
	const [, digits] = new RegExp(`"${field}"\\s*:\\s*(\\d{1,15})\\s*[,}]`).exec(text) ?? []
	return digits === undefined ? null : Number(digits)
}
