/** What the files of a run are called, and which names are passed over. */
import { join } from 'node:path'

export const CONFIG_NAME = 'config.json'
export const TRAINING_LOG_NAME = 'metrics.jsonl'
/** Where Hugging Face's Trainer tells the same. */
export const TRAINER_STATE_NAME = 'trainer_state.json'
export const EVENTS_NAME = 'events.jsonl'
export const SAMPLES_NAME = 'samples.jsonl'
/** What a trainer has said of the run. */
export const RECORD_NAME = 'run.json'
/** run.json while it is written. */
export const RECORD_TEMPORARY_NAME = '.run.json.tmp'
/** The beginning of what a run was trained on. */
export const TRAINING_TEXT_NAME = 'training-data.txt'

/** Files that change while a training runs, and decide nothing about what is served. */
export const LOG_NAMES: ReadonlySet<string> = new Set([
	TRAINING_LOG_NAME,
	EVENTS_NAME,
	SAMPLES_NAME,
	RECORD_NAME,
	RECORD_TEMPORARY_NAME,
])

const CHECKPOINT_NAME = /^checkpoint-(\d+)\.json$/

/** Name of a checkpoint file. */
export function checkpointName(step: number): string {
	return `checkpoint-${step}.json`
}

/** Step of a file with a checkpoint's name; undefined for any other name. */
export function stepOfName(name: string): number | undefined {
	const step = Number(CHECKPOINT_NAME.exec(name)?.[1] ?? Number.NaN)
	return Number.isSafeInteger(step) ? step : undefined
}

const STEP_DIRECTORY = /^checkpoint-(\d{1,15})$/

/** Name of a directory that holds one step of another trainer's model, as Hugging Face's Trainer calls it. */
export function stepDirectoryName(step: number): string {
	return `checkpoint-${step}`
}

/** Step of such a directory; undefined for any other name. */
export function stepOfDirectory(name: string): number | undefined {
	const step = Number(STEP_DIRECTORY.exec(name)?.[1] ?? Number.NaN)
	return Number.isSafeInteger(step) ? step : undefined
}

/** Path of a run's training log; the file need not exist. */
export function trainingLogPath(directory: string, runName: string): string {
	return join(directory, runName, TRAINING_LOG_NAME)
}

/** Names that directory listings of ours never show: hidden, or left behind by copiers and editors. */
export function isIgnoredName(name: string): boolean {
	return name.startsWith('.') || /(\.part|\.tmp|\.swp|\.filepart|~)$/.test(name)
}

/**
 * Names that an upload may give a run or a file: safe as a path segment everywhere. Directories that
 * people make themselves are served under any name.
 */
export function isSafeName(name: string): boolean {
	return /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name) && !isIgnoredName(name)
}
