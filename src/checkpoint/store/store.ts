/*
 * The checkpoints directory as the server sees it: which runs there are, which checkpoint each one
 * serves, what is wrong with the rest. The picture is kept up to date by a watcher and by a full rescan
 * (a watcher goes blind when the directory is replaced, and does not see other machines' writes), and
 * reading it costs nothing. Files are never opened by names that a client sent.
 */
import { readdir, stat } from 'node:fs/promises'
import { errorCode, messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { SerialQueue } from '../../lib/serial-queue.ts'
import type { CheckpointInfo } from '../load/checkpoint-info.ts'
import { DirectoryWatch } from './directory-watch.ts'
import { type Inspect, Inspections } from './inspections.ts'
import { isIgnoredName, trainingLogPath } from './names.ts'
import { type CheckpointVersion, type RunDirectory, RunReader, SETTLE_MS } from './run-directory.ts'
import { isUsable, judgeRun, type RunSummary, type UnservedRun } from './run-judgement.ts'
import { RunLog } from './run-log.ts'
import { type LossSeries, readLossSeries } from './training-log.ts'

export interface StoreOptions {
	/** The checkpoints directory; it need not exist yet. */
	readonly directory: string
	readonly log: Log
	/** Without it a file is taken at its word until loaded. */
	readonly inspect?: Inspect
	/** Time between full rescans in milliseconds. */
	readonly rescanMs?: number
	/** How long a run stays in service while its served file is being written over, since the last byte. */
	readonly overwriteMsMax?: number
}

/** Opens a checkpoints directory: scans it once and keeps watching. */
export async function openStore(options: StoreOptions): Promise<CheckpointStore> {
	const store = new CheckpointStore(options)
	await store.rescan()
	return store
}

const RESCAN_MS = 10_000

const OVERWRITE_MS_MAX = 10_000

/** Events are gathered for this long, so that a burst costs one look. */
const DEBOUNCE_MS = 50

interface RunState {
	readonly reader: RunReader
	directory: RunDirectory
	summary: RunSummary | null
	unserved: UnservedRun | null
}

export class CheckpointStore {
	readonly directory: string
	readonly #options: StoreOptions
	readonly #log: RunLog
	readonly #watch: DirectoryWatch
	readonly #inspections: Inspections
	readonly #listeners = new Set<() => void>()
	readonly #lookListeners = new Set<(names: readonly string[]) => void>()
	readonly #states = new Map<string, RunState>()
	/** Runs that an upload is putting into place: they keep their picture until it is done. */
	readonly #writing = new Set<string>()
	#runs: readonly RunSummary[] = []
	#unserved: readonly UnservedRun[] = []
	readonly #scans = new SerialQueue()
	#changedNames = new Set<string>()
	#debounce: Timer | null = null
	readonly #rescanTimer: Timer
	/** The first scan finds everything: not worth a line each. */
	#hasScanned = false
	#isClosed = false

	constructor(options: StoreOptions) {
		this.#options = options
		this.directory = options.directory
		this.#log = new RunLog(options.log)
		this.#inspections = new Inspections(options.inspect)
		this.#watch = new DirectoryWatch(options.directory, (name) => this.#noteChange(name))
		this.#rescanTimer = setInterval(() => this.#scanLater(), options.rescanMs ?? RESCAN_MS)
		this.#rescanTimer.unref()
	}

	/** Runs that can be served, newest checkpoint first, equal times by name. */
	runs(): readonly RunSummary[] {
		return this.#runs
	}

	/** Runs that are damaged or incomplete, by name. */
	unserved(): readonly UnservedRun[] {
		return this.#unserved
	}

	/** The run of that name, if it can be served. */
	find(name: string): RunSummary | undefined {
		return this.#states.get(name)?.summary ?? undefined
	}

	/** The run of that name, if it cannot be served. */
	findUnserved(name: string): UnservedRun | undefined {
		return this.#states.get(name)?.unserved ?? undefined
	}

	/** The newest run with that run id in its config; a damaged one first, so that none stands in for it. */
	findByRunId(runId: string): { readonly name: string } | undefined {
		const damaged = this.#unserved.find(
			({ fault, config }) => fault.kind === 'damaged' && config?.runId === runId,
		)
		return damaged ?? this.#runs.find((run) => run.runId === runId)
	}

	/** A checkpoint that can be loaded: of `step`, or the one that the run serves. */
	checkpoint(name: string, step?: number): CheckpointVersion | undefined {
		const run = this.find(name)
		if (run === undefined || step === undefined || step === run.step) return run?.served
		return this.checkpoints(run.name).find((version) => version.step === step)
	}

	/** What the run's training log tells, thinned to `pointsMax` points. */
	lossSeries(name: string, pointsMax: number): Promise<LossSeries> {
		return readLossSeries(trainingLogPath(this.directory, name), pointsMax)
	}

	/** Calls `listener` after each change of `runs()` or `unserved()`; returns how to stop it. */
	onChange(listener: () => void): () => void {
		this.#listeners.add(listener)
		return () => this.#listeners.delete(listener)
	}

	/**
	 * Calls `listener` with the directories that were looked at, because something changed in them or
	 * because it was time; also with such as are no runs. Returns how to stop it.
	 */
	onLook(listener: (names: readonly string[]) => void): () => void {
		this.#lookListeners.add(listener)
		return () => this.#lookListeners.delete(listener)
	}

	/** Checkpoints of a run that can be loaded as far as anybody knows, by step. */
	checkpoints(name: string): readonly CheckpointVersion[] {
		const checkpoints = this.#states.get(name)?.directory.checkpoints ?? []
		return checkpoints.filter((each) => isUsable(each, this.#inspections.verdictOf(each)))
	}

	/** Resolves when every checkpoint that was there has been inspected. */
	inspected(): Promise<void> {
		return this.#inspections.idle()
	}

	/** Looks at everything again, or at one run; resolves when the picture is up to date. */
	rescan(name?: string): Promise<void> {
		return this.#scans.run(() => this.#scan(name === undefined ? undefined : [name]))
	}

	/**
	 * Tells that loading a checkpoint has shown it to be damaged. Unless its file has changed meanwhile,
	 * the run falls back to its next best step or becomes damaged.
	 */
	async reportDamage(name: string, version: CheckpointVersion, reason: string): Promise<void> {
		this.#inspections.note(version, { fault: { kind: 'damaged', reason } })
		await this.rescan(name)
	}

	/**
	 * Runs `write`, which puts verified files of a run into place. Until it is done the run keeps its
	 * picture, so nobody sees a mix; then the new files are served at once. `step` and `info` describe
	 * the new checkpoint.
	 */
	async replace(
		name: string,
		{ step, info }: { readonly step: number; readonly info: CheckpointInfo },
		write: () => Promise<void>,
	): Promise<void> {
		this.#writing.add(name)
		try {
			await this.#scans.idle()
			await write()
			await this.#scans.run(async () => {
				await this.#scanRun(name, true)
				const { directory } = this.#states.get(name) ?? {}
				const version = directory?.checkpoints.find((each) => each.step === step)
				if (version !== undefined) this.#inspections.note(version, { info })
				this.#judge(name)
				this.#publish()
			})
		} finally {
			this.#writing.delete(name)
		}
	}

	/** Stops watching. */
	close(): void {
		this.#isClosed = true
		clearInterval(this.#rescanTimer)
		if (this.#debounce !== null) clearTimeout(this.#debounce)
		this.#watch.close()
	}

	#noteChange(name: string | null): void {
		if (this.#isClosed) return
		if (name === null) {
			this.#scanLater()
			return
		}
		if (isIgnoredName(name)) return
		this.#changedNames.add(name)
		this.#debounce ??= setTimeout(() => {
			const names = [...this.#changedNames]
			this.#changedNames = new Set()
			this.#debounce = null
			this.#scanLater(names)
		}, DEBOUNCE_MS)
		this.#debounce.unref()
	}

	/** A scan that nobody waits for: its failure is a line in the log, and the next one tries again. */
	#scanLater(names?: readonly string[]): void {
		this.#scans
			.run(() => this.#scan(names))
			.catch((error: unknown) => {
				this.#options.log(
					'warn',
					`the checkpoints directory could not be scanned: ${messageOf(error)}`,
				)
			})
	}

	/** Looks at the named runs, or at the whole directory. One run's failure is not another's. */
	async #scan(changed?: readonly string[]): Promise<void> {
		if (this.#isClosed) return
		const names = changed ?? (await this.#listRuns())
		for (const name of names) {
			// What is there at the start is taken as it stands: a restart must not hide it for a second.
			if (this.#writing.has(name)) continue
			try {
				await this.#scanRun(name, !this.#hasScanned)
			} catch (error) {
				this.#log.failed(name, messageOf(error))
			}
		}
		this.#hasScanned = true
		this.#publish()
		for (const listener of this.#lookListeners) listener(names)
		for (const name of names) this.#inspectBest(name)
	}

	/** Names in the directory, and those that have gone; nothing new when it cannot be read. */
	async #listRuns(): Promise<readonly string[]> {
		const known = [...this.#states.keys()]
		try {
			const { dev, ino } = await stat(this.directory)
			this.#watch.follow(`${dev}:${ino}`)
			const entries = await readdir(this.directory, { withFileTypes: true })
			const present = entries.flatMap((entry) => {
				return entry.isDirectory() && !isIgnoredName(entry.name) ? [entry.name] : []
			})
			this.#log.directory(this.directory, null)
			return [...new Set([...known, ...present])]
		} catch (error) {
			const isMissing = errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR'
			const problem = isMissing ? 'does not exist' : `cannot be read (${errorCode(error)})`
			this.#log.directory(this.directory, problem)
			return isMissing ? known : []
		}
	}

	async #scanRun(name: string, resting: boolean): Promise<void> {
		if (isIgnoredName(name) || name.includes('/')) return
		const known = this.#states.get(name)
		const reader = known?.reader ?? new RunReader(this.directory, name)
		const directory = await reader.read(resting)
		if (directory === undefined) {
			this.#states.delete(name)
			this.#log.removed(name)
			return
		}
		if (known === undefined) {
			this.#states.set(name, { reader, directory, summary: null, unserved: null })
		} else {
			known.directory = directory
		}
		this.#judge(name)
		if (directory.isSettling) {
			setTimeout(() => this.#noteChange(name), SETTLE_MS).unref()
		}
	}

	/** Decides what a run serves. */
	#judge(name: string): void {
		const state = this.#states.get(name)
		if (state === undefined) return
		const judgement = judgeRun({
			directory: state.directory,
			previous: state.summary,
			verdictOf: (version) => this.#inspections.verdictOf(version),
			waitsForInspection: this.#inspections.isEnabled,
			overwriteMsMax: this.#options.overwriteMsMax ?? OVERWRITE_MS_MAX,
		})
		this.#log.judged(name, judgement, this.#hasScanned)
		const { summary, unserved } = judgement
		if (!Bun.deepEquals(summary, state.summary)) state.summary = summary
		if (!Bun.deepEquals(unserved, state.unserved)) state.unserved = unserved
	}

	#inspectBest(name: string): void {
		const version = this.checkpoints(name).at(-1)
		if (version !== undefined) this.#inspections.request(version, () => this.rescan(name))
	}

	/** Makes the current states visible. */
	#publish(): void {
		const states = [...this.#states.values()]
		const runs = states.flatMap(({ summary }) => summary ?? [])
		runs.sort((a, b) => b.mtimeMs - a.mtimeMs || (a.name < b.name ? -1 : 1))
		const unserved = states.flatMap((state) => state.unserved ?? [])
		unserved.sort((a, b) => (a.name < b.name ? -1 : 1))
		const checkpoints = states.flatMap(({ directory }) => directory.checkpoints)
		this.#inspections.retain(new Set(checkpoints.map(({ identity }) => identity)))
		const isSame = isSameList(runs, this.#runs) && isSameList(unserved, this.#unserved)
		if (isSame) return
		this.#runs = runs
		this.#unserved = unserved
		for (const listener of this.#listeners) listener()
	}
}

/** States keep their objects while nothing changes, so identity tells. */
function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
	return a.length === b.length && a.every((item, i) => item === b[i])
}
