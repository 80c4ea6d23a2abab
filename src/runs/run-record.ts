import { lstat, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { identityOf } from '../checkpoint/formats/byte-source.ts'
import { readSmallFile, syncDirectory } from '../checkpoint/store/files.ts'
import { RECORD_NAME, RECORD_TEMPORARY_NAME } from '../checkpoint/store/names.ts'
import { errorCode } from '../lib/errors.ts'
import { isRecord } from '../lib/json.ts'
import type { JsonObject } from './report.ts'

/** What run.json says: the run as its trainer presented it. */
export interface RunRecord {
	/** As the trainer wrote it; the directory may have another name. */
	readonly runId: string
	/** What the trainer said last: `active` until it says that it is done. */
	readonly state: 'active' | 'completed' | 'failed'
	readonly domain: string | null
	/** ISO 8601. */
	readonly startedAt: string
	/** ISO 8601; written now and then while reports come. */
	readonly lastHeardAt: string
	readonly finalStep: number | null
	readonly totalParams: number | null
	readonly machine: JsonObject
	readonly modelConfig: JsonObject
	readonly trainConfig: JsonObject
}

const RECORD_BYTES_MAX = 2 ** 22

/** Characters of a value that a record over its size keeps. */
const VALUE_LENGTH_MAX = 256

/** Changes whenever run.json may have; null where it cannot be looked at. */
export async function recordIdentity(directory: string): Promise<string | null> {
	const stat = await lstat(join(directory, RECORD_NAME), { bigint: true }).catch(() => null)
	return stat && identityOf(stat)
}

/** The run.json of a run directory; null where there is none, or none of ours. Throws what the system says. */
export async function readRecord(directory: string): Promise<RunRecord | null> {
	try {
		const bytes = await readSmallFile(join(directory, RECORD_NAME), RECORD_BYTES_MAX)
		return parseRecord(JSON.parse(bytes.toString('utf8')))
	} catch (error) {
		// A moment without descriptors must not look like a run that was never presented.
		if (!['', 'ENOENT', 'ENOTDIR', 'ELOOP'].includes(errorCode(error))) throw error
		return null
	}
}

/**
 * Replaces run.json; whole and on disk when this resolves. Long values are left out of a record that
 * would be too large to be read again.
 */
export async function writeRecord(directory: string, record: RunRecord): Promise<void> {
	const temporary = join(directory, RECORD_TEMPORARY_NAME)
	try {
		await using file = await open(temporary, 'w', 0o644)
		await file.writeFile(recordText(record))
		await file.sync()
	} catch (error) {
		await rm(temporary, { force: true }).catch(() => {})
		throw error
	}
	await rename(temporary, join(directory, RECORD_NAME))
	await syncDirectory(directory)
}

function recordText(record: RunRecord): string {
	const { domain, machine, modelConfig, trainConfig } = record
	const withShortValues = () => ({
		...record,
		domain: isShort(domain) ? domain : null,
		machine: shortValues(machine),
		modelConfig: shortValues(modelConfig),
		trainConfig: shortValues(trainConfig),
	})
	const bare = { domain: null, machine: {}, modelConfig: {}, trainConfig: {} }
	for (const attempt of [() => record, withShortValues]) {
		const text = `${JSON.stringify(attempt(), null, '\t')}\n`
		if (Buffer.byteLength(text) <= RECORD_BYTES_MAX) return text
	}
	return `${JSON.stringify({ ...record, ...bare }, null, '\t')}\n`
}

function shortValues(values: JsonObject): JsonObject {
	return Object.fromEntries(Object.entries(values).filter(([, value]) => isShort(value)))
}

function isShort(value: unknown): boolean {
	return (JSON.stringify(value) ?? '').length <= VALUE_LENGTH_MAX
}

/** Removes what a crash in the middle of `writeRecord` has left. */
export async function sweepRecord(directory: string): Promise<void> {
	try {
		await rm(join(directory, RECORD_TEMPORARY_NAME), { force: true })
	} catch (error) {
		if (errorCode(error) === '') throw error
	}
}

/** People may write this file, too: what it does not say is left open. */
function parseRecord(value: unknown): RunRecord | null {
	if (!isRecord(value) || typeof value['runId'] !== 'string') return null
	const { runId, state, domain, startedAt, lastHeardAt, finalStep, totalParams } = value
	const { machine, modelConfig, trainConfig } = value
	return {
		runId,
		state: state === 'completed' || state === 'failed' ? state : 'active',
		domain: typeof domain === 'string' ? domain : null,
		startedAt: dateText(startedAt),
		lastHeardAt: dateText(lastHeardAt),
		finalStep: typeof finalStep === 'number' ? finalStep : null,
		totalParams: typeof totalParams === 'number' ? totalParams : null,
		machine: isRecord(machine) ? machine : {},
		modelConfig: isRecord(modelConfig) ? modelConfig : {},
		trainConfig: isRecord(trainConfig) ? trainConfig : {},
	}
}

function dateText(value: unknown): string {
	const isDate = typeof value === 'string' && Number.isFinite(Date.parse(value))
	return isDate ? value : new Date(0).toISOString()
}
