/*
 * One run directory as it stands on disk: config.json, checkpoint-<step>.json, metrics.jsonl.
 * Everything is a matter of file names and stat; contents are read again only when a file has changed.
 */
import type { BigIntStats } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../../lib/errors.ts'
import { findArrivalFault } from './completeness.ts'
import { readSmallFile } from './files.ts'
import { CONFIG_NAME, checkpointName, stepOfName, TRAINING_LOG_NAME } from './names.ts'
import { CONFIG_BYTES_MAX, parseRunConfig, type RunConfig } from './run-config.ts'
import type { RunFault } from './run-fault.ts'
import { readLastLoss } from './training-log.ts'

/** One state of a checkpoint file. The object stays the same for as long as the file does. */
export interface CheckpointVersion {
	readonly step: number
	readonly path: string
	/** Changes whenever the file's bytes may have changed. */
	readonly identity: string
	readonly sizeBytes: number
	/** Epoch milliseconds with fraction. */
	readonly mtimeMs: number
	/** When this state of the file was first seen, by `performance.now()`. */
	readonly seenSince: number
	/** Why the file has not arrived whole, by its ends and length; null when it has. */
	readonly fault: RunFault | null
}

/** What is in a run directory. */
export interface RunDirectory {
	readonly name: string
	/** null: config.json has not arrived. A string says what is wrong with it. */
	readonly config: RunConfig | string | null
	readonly lastLoss: number | null
	/** By step, ascending. */
	readonly checkpoints: readonly CheckpointVersion[]
	/** Entries that have a checkpoint's name but are no regular files. */
	readonly strangers: readonly string[]
	/** Some file changed a moment ago: look again after `SETTLE_MS`. */
	readonly isSettling: boolean
}

/** A file is at rest when it has not changed for this long. */
export const SETTLE_MS = 1000

interface Cached<T> {
	readonly identity: string
	readonly value: T
}

/** Reads one run directory again and again, remembering what has not changed. */
export class RunReader {
	readonly name: string
	readonly #path: string
	#config: Cached<RunConfig> | undefined
	/** A config that could not be read, and when it was first seen so. */
	#badConfig: Cached<number> | undefined
	#lastLoss: Cached<number | null> | undefined
	#versions = new Map<string, CheckpointVersion>()
	/** When each changing file was first seen as it is now, by `performance.now()`. */
	#firstSeen = new Map<string, number>()

	constructor(directory: string, name: string) {
		this.name = name
		this.#path = join(directory, name)
	}

	/**
	 * Looks at the directory. `resting` says that its files are known to be at rest, as after an
	 * upload of ours. Undefined when there is no run here: no directory, or neither config nor
	 * checkpoint in it.
	 */
	async read(resting: boolean): Promise<RunDirectory | undefined> {
		const names = await listFiles(this.#path)
		if (typeof names === 'string') return unreadableRun(this.name, names)
		const candidates = names.flatMap((name) => {
			const step = stepOfName(name)
			return step === undefined ? [] : [{ name, step }]
		})
		if (candidates.length === 0 && !names.includes(CONFIG_NAME)) return undefined

		const versions = new Map<string, CheckpointVersion>()
		const firstSeen = new Map<string, number>()
		const strangers: string[] = []
		let isSettling = false
		for (const { name, step } of candidates) {
			const stat = await statFile(join(this.#path, name))
			if (stat === undefined) continue
			if (!stat.isFile()) {
				strangers.push(name)
				continue
			}
			const identity = identityOf(stat)
			const seen = this.#firstSeen.get(identity) ?? performance.now()
			firstSeen.set(identity, seen)
			const isAtRest = resting || hasSettled(stat, seen)
			isSettling ||= !isAtRest
			versions.set(name, await this.#version({ name, step, stat, identity, seen, isAtRest }))
		}
		this.#versions = versions
		this.#firstSeen = firstSeen
		const config = await this.#readConfig(resting)
		return {
			name: this.name,
			config: config.config,
			lastLoss: await this.#readLastLoss(),
			checkpoints: oneByStep(versions),
			strangers,
			isSettling: isSettling || config.isSettling,
		}
	}

	async #version(file: {
		name: string
		step: number
		stat: BigIntStats
		identity: string
		seen: number
		isAtRest: boolean
	}): Promise<CheckpointVersion> {
		const { name, step, stat, identity, seen, isAtRest } = file
		const known = this.#versions.get(name)
		const isKnown = known?.identity === identity
		// While a file may still change, what was found in it may be outdated: look again.
		if (isKnown && known.fault?.kind !== 'incomplete') return known
		const path = join(this.#path, name)
		const fault: RunFault | null = isAtRest
			? await findArrivalFault(path)
			: { kind: 'incomplete', reason: 'still arriving: it changed a moment ago' }
		return {
			step,
			path,
			identity,
			sizeBytes: Number(stat.size),
			mtimeMs: Number(stat.mtimeNs) / 1e6,
			seenSince: seen,
			fault,
		}
	}

	/** The config; while its file is being written, the last one that was whole. */
	async #readConfig(resting: boolean): Promise<Pick<RunDirectory, 'config' | 'isSettling'>> {
		const path = join(this.#path, CONFIG_NAME)
		const stat = await statFile(path)
		if (stat === undefined) return { config: null, isSettling: false }
		const identity = identityOf(stat)
		const known = this.#config
		if (known?.identity === identity) return { config: known.value, isSettling: false }
		const config = await readRunConfig(path)
		if (typeof config !== 'string') {
			this.#config = { identity, value: config }
			return { config, isSettling: false }
		}
		// What cannot be read is looked at again each time: the reason may be the moment.
		if (this.#badConfig?.identity !== identity) {
			this.#badConfig = { identity, value: performance.now() }
		}
		if (resting || hasSettled(stat, this.#badConfig.value)) return { config, isSettling: false }
		return { config: known?.value ?? null, isSettling: true }
	}

	async #readLastLoss(): Promise<number | null> {
		const path = join(this.#path, TRAINING_LOG_NAME)
		const stat = await statFile(path)
		if (stat === undefined) return null
		const identity = identityOf(stat)
		if (this.#lastLoss?.identity !== identity) {
			this.#lastLoss = { identity, value: await readLastLoss(path) }
		}
		return this.#lastLoss.value
	}
}

/** Names in a directory, or why it cannot be read; a link to a directory has none. */
async function listFiles(path: string): Promise<readonly string[] | string> {
	try {
		return (await lstat(path)).isDirectory() ? await readdir(path) : []
	} catch (error) {
		if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return []
		return `the directory cannot be read (${errorCode(error)})`
	}
}

function unreadableRun(name: string, reason: string): RunDirectory {
	return { name, config: reason, lastLoss: null, checkpoints: [], strangers: [], isSettling: false }
}

async function statFile(path: string): Promise<BigIntStats | undefined> {
	try {
		return await lstat(path, { bigint: true })
	} catch {
		return undefined
	}
}

function identityOf(stat: BigIntStats): string {
	// ctime tells a rewrite whose size and mtime were put back.
	return [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(':')
}

/** By ctime where the clock is sound, else by our own observation. */
function hasSettled(stat: BigIntStats, seenSince: number): boolean {
	const age = Date.now() - Number(stat.ctimeNs) / 1e6
	return age >= SETTLE_MS || performance.now() - seenSince >= SETTLE_MS
}

/** Two names can mean one step (`007`, `7`): the one without leading zeros counts. */
function oneByStep(versions: ReadonlyMap<string, CheckpointVersion>): readonly CheckpointVersion[] {
	const bySteps = new Map<number, CheckpointVersion>()
	for (const [name, version] of versions) {
		if (!bySteps.has(version.step) || name === checkpointName(version.step)) {
			bySteps.set(version.step, version)
		}
	}
	return [...bySteps.values()].sort((a, b) => a.step - b.step)
}

async function readRunConfig(path: string): Promise<RunConfig | string> {
	try {
		return parseRunConfig((await readSmallFile(path, CONFIG_BYTES_MAX)).toString('utf8'))
	} catch (error) {
		return `config.json: cannot be read (${errorCode(error) || 'not a small regular file'})`
	}
}
