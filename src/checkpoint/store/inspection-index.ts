/*
 * What inspections have shown, kept beside the runs over restarts: valid for a file in the very state in
 * which it was inspected. A listing believes it, loading does not.
 */
import { randomBytes } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isRecord } from '../../lib/json.ts'
import { readSmallFile } from './files.ts'
import type { Verdict } from './run-judgement.ts'

const INDEX_NAME = '.inspections.json'

/** Some 100,000 files. */
const INDEX_BYTES_MAX = 2 ** 26

export class InspectionIndex {
	readonly #directory: string
	readonly #writer: string

	/** `writer` names the program and what it inspects for: another one's index says nothing. */
	constructor(directory: string, writer: string) {
		this.#directory = directory
		this.#writer = writer
	}

	/** Verdicts by identity; none where there is no index that can be read. Never fails. */
	async load(): Promise<ReadonlyMap<string, Verdict>> {
		try {
			const text = await readSmallFile(join(this.#directory, INDEX_NAME), INDEX_BYTES_MAX)
			const index: unknown = JSON.parse(text.toString('utf8'))
			if (!isRecord(index) || index['writer'] !== this.#writer || !isRecord(index['verdicts'])) {
				return new Map()
			}
			const entries = Object.entries(index['verdicts']).filter(([, verdict]) => isVerdict(verdict))
			return new Map(entries as [string, Verdict][])
		} catch {
			return new Map()
		}
	}

	/** Writes the index anew; where that is impossible, the next start inspects again. Never fails. */
	async save(verdicts: ReadonlyMap<string, Verdict>): Promise<void> {
		const path = join(this.#directory, INDEX_NAME)
		const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
		try {
			const index = { writer: this.#writer, verdicts: Object.fromEntries(verdicts) }
			await writeFile(temporary, JSON.stringify(index), { mode: 0o600, flag: 'wx' })
			await rename(temporary, path)
		} catch {
			await rm(temporary, { force: true }).catch(() => {})
		}
	}
}

/** The parts that a listing shows; a file that somebody has edited must not break it. */
function isVerdict(verdict: unknown): boolean {
	if (!isRecord(verdict)) return false
	const { info, fault } = verdict
	if (isRecord(fault)) return fault['kind'] === 'damaged' && typeof fault['reason'] === 'string'
	if (!isRecord(info)) return false
	const { form, config, tokenizer, parameterCount, dtype } = info
	return (
		typeof form === 'string' &&
		typeof dtype === 'string' &&
		isRecord(config) &&
		isRecord(tokenizer) &&
		Number.isSafeInteger(parameterCount)
	)
}
