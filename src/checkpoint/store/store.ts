/*
 * The checkpoints directory as the server sees it: which runs there are, which checkpoint each one
 * serves, what is wrong with the rest. The picture is kept up to date by a watcher and by a full rescan
 * (a watcher goes blind when the directory is replaced, and does not see other machines' writes), and
 * reading it costs nothing. Files are never opened by names that a client sent.
 */
import { readdir, stat } from 'node:fs/promises'
import { errorCode } from '../../lib/errors.ts'
import { isFault } from '../../lib/fault.ts'
import type { Log } from '../../lib/log.ts'
import type { CheckpointInfo } from '../load/checkpoint-info.ts'
import { DirectoryWatch } from './directory-watch.ts'
import {
	type CheckpointVersion,
	isIgnoredName,
	metricsPath,
	type RunDirectory,
	RunReader,
	SETTLE_MS,
} from './run-directory.ts'
import {
	isUsable,
	type Judgement,
	judgeRun,
	type RunSummary,
	type UnservedRun,
	type Verdict,
} from './run-judgement.ts'
import { type MetricsSeries, readMetrics } from './training-log.ts'

export interface StoreOptions {
	/** The checkpoints directory; it need not exist yet. */
	readonly directory: string
	readonly log: Log
	/**
	 * Verifies a checkpoint's structure. Rejects with an error whose `fault` is `invalid` when the file
	 * is damaged; other rejections are tried again. Without it a file is taken at its word until loaded.
	 */
	readonly inspect?: (version: CheckpointVersion) => Promise<CheckpointInfo>
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
	/** The damage that the log has been told of. */
	loggedDamage: string
}

export class CheckpointStore {
	readonly directory: string
	readonly #options: StoreOptions
	readonly #watch: DirectoryWatch
	readonly #listeners = new Set<() => void>()
	readonly #lookListeners = new Set<(names: readonly string[]) => void>()
	readonly #states = new Map<string, RunState>()
	/** What reading a file has shown, by identity. */
	readonly #verdicts = new Map<string, Verdict>()
	/** Runs that an upload is putting into place: they keep their picture until it is done. */
	readonly #writing = new Set<string>()
	#runs: readonly RunSummary[] = []
	#unserved: readonly UnservedRun[] = []
	/** Scans run one after another. */
	#scans: Promise<void> = Promise.resolve()
	#inspections: Promise<void> = Promise.resolve()
	readonly #inspecting = new Set<string>()
	#changedNames = new Set<string>()
	#debounce: Timer | null = null
	readonly #rescanTimer: Timer
	#rootProblem: string | null = null
	/** The first scan finds everything: not worth a line each. */
	#hasScanned = false
	#isClosed = false

	constructor(options: StoreOptions) {
		this.#options = options
		this.directory = options.directory
		this.#watch = new DirectoryWatch(options.directory, (name) => this.#noteChange(name))
		this.#rescanTimer = setInterval(() => void this.rescan(), options.rescanMs ?? RESCAN_MS)
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

	/** The run of that name, else the newest one with that run id in its config. */
	find(name: string): RunSummary | undefined {
		return this.#states.get(name)?.summary ?? this.#runs.find(({ runId }) => runId === name)
	}

	/** A checkpoint that can be loaded: of `step`, or the one that the run serves. */
	checkpoint(name: string, step?: number): CheckpointVersion | undefined {
		const run = this.find(name)
		if (run === undefined || step === undefined || step === run.step) return run?.served
		return this.checkpoints(run.name).find((version) => version.step === step)
	}

	/** The run's training metrics, thinned to `pointsMax` points. */
	metrics(name: string, pointsMax: number): Promise<MetricsSeries> {
		const run = this.#states.get(name)
		if (run === undefined) return Promise.resolve({ lineCount: 0, badLineCount: 0, points: [] })
		return readMetrics(metricsPath(this.directory, name), pointsMax)
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
		return checkpoints.filter((each) => isUsable(each, this.#verdicts.get(each.identity)))
	}

	/** Resolves when every checkpoint that was there has been inspected. */
	async inspected(): Promise<void> {
		await this.#inspections
	}

	/** Looks at everything again, or at one run; resolves when the picture is up to date. */
	rescan(name?: string): Promise<void> {
		this.#scans = this.#scans.then(() => this.#scan(name === undefined ? undefined : [name]))
		return this.#scans
	}

	/**
	 * Tells that loading a checkpoint has shown it to be damaged. Unless its file has changed meanwhile,
	 * the run falls back to its next best step or becomes damaged.
	 */
	async reportDamage(name: string, version: CheckpointVersion, reason: string): Promise<void> {
		this.#verdicts.set(version.identity, { damage: reason })
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
			await this.#scans
			await write()
			await this.#scanWritten(name, (directory) => {
				const version = directory.checkpoints.find((each) => each.step === step)
				if (version !== undefined) this.#verdicts.set(version.identity, { info })
			})
		} finally {
			this.#writing.delete(name)
		}
	}

	/** Looks at a run that an upload has put into place; `learn` is told what is there. */
	#scanWritten(name: string, learn: (directory: RunDirectory) => void): Promise<void> {
		this.#scans = this.#scans.then(async () => {
			await this.#scanRun(name, true)
			const state = this.#states.get(name)
			if (state !== undefined) learn(state.directory)
			this.#judge(name)
			this.#publish()
		})
		return this.#scans
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
			void this.rescan()
			return
		}
		if (isIgnoredName(name)) return
		this.#changedNames.add(name)
		this.#debounce ??= setTimeout(() => {
			const names = [...this.#changedNames]
			this.#changedNames = new Set()
			this.#debounce = null
			this.#scans = this.#scans.then(() => this.#scan(names))
		}, DEBOUNCE_MS)
		this.#debounce.unref()
	}

	/** Looks at the named runs, or at the whole directory. */
	async #scan(changed?: readonly string[]): Promise<void> {
		if (this.#isClosed) return
		const names = changed ?? (await this.#listRuns())
		for (const name of names) {
			// What is there at the start is taken as it stands: a restart must not hide it for a second.
			if (!this.#writing.has(name)) await this.#scanRun(name, !this.#hasScanned)
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
			this.#noteRootProblem(null)
			return [...new Set([...known, ...present])]
		} catch (error) {
			const isMissing = errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR'
			this.#noteRootProblem(isMissing ? 'does not exist' : `cannot be read (${errorCode(error)})`)
			return isMissing ? known : []
		}
	}

	#noteRootProblem(problem: string | null): void {
		if (problem === this.#rootProblem) return
		this.#rootProblem = problem
		if (problem === null) this.#options.log('info', 'the checkpoints directory is readable again')
		else this.#options.log('warn', `the checkpoints directory ${this.directory} ${problem}`)
	}

	async #scanRun(name: string, resting: boolean): Promise<void> {
		if (isIgnoredName(name) || name.includes('/')) return
		const known = this.#states.get(name)
		const reader = known?.reader ?? new RunReader(this.directory, name)
		const directory = await reader.read(resting)
		if (directory === undefined) {
			if (this.#states.delete(name)) this.#options.log('info', `run ${name} was removed`)
			return
		}
		if (known === undefined) {
			this.#states.set(name, { reader, directory, summary: null, unserved: null, loggedDamage: '' })
		} else {
			known.directory = directory
		}
		this.#judge(name)
		if (directory.isSettling) {
			setTimeout(() => this.#noteChange(name), SETTLE_MS).unref()
		}
	}

	/** Decides what a run serves and says so in the log when that has changed. */
	#judge(name: string): void {
		const state = this.#states.get(name)
		if (state === undefined) return
		const { inspect, overwriteMsMax = OVERWRITE_MS_MAX } = this.#options
		const judgement = judgeRun({
			directory: state.directory,
			previous: state.summary,
			verdictOf: ({ identity }) => this.#verdicts.get(identity),
			waitsForInspection: inspect !== undefined,
			overwriteMsMax,
		})
		this.#logChange(state, judgement)
		const { summary, unserved } = judgement
		if (!Bun.deepEquals(summary, state.summary)) state.summary = summary
		if (!Bun.deepEquals(unserved, state.unserved)) state.unserved = unserved
	}

	#logChange(state: RunState, { summary, damage }: Judgement): void {
		const { log } = this.#options
		const { name } = state.directory
		if (damage !== state.loggedDamage) {
			state.loggedDamage = damage
			if (damage === '') log('info', `run ${name} is whole again`)
			else log('warn', `run ${name} is damaged: ${damage}`)
		}
		if (this.#hasScanned && summary !== null && summary.step !== state.summary?.step) {
			log('info', `run ${name}: step ${summary.step} is available`)
		}
	}

	/** Has the best checkpoint of a run inspected if that has not happened yet. */
	#inspectBest(name: string): void {
		const { inspect } = this.#options
		const version = this.checkpoints(name).at(-1)
		if (inspect === undefined || version === undefined) return
		const { identity } = version
		if (this.#verdicts.has(identity) || this.#inspecting.has(identity)) return
		this.#inspecting.add(identity)
		this.#inspections = this.#inspections.then(async () => {
			try {
				this.#verdicts.set(identity, { info: await inspect(version) })
			} catch (error) {
				if (!isFault(error, 'invalid')) return
				this.#verdicts.set(identity, { damage: error.message })
			} finally {
				this.#inspecting.delete(identity)
			}
			await this.rescan(name)
		})
	}

	/** Makes the current states visible. */
	#publish(): void {
		const states = [...this.#states.values()]
		const runs = states.flatMap(({ summary }) => summary ?? [])
		runs.sort((a, b) => b.mtimeMs - a.mtimeMs || (a.name < b.name ? -1 : 1))
		const unserved = states.flatMap((state) => state.unserved ?? [])
		unserved.sort((a, b) => (a.name < b.name ? -1 : 1))
		this.#forgetOldVerdicts(states)
		const isSame = isSameList(runs, this.#runs) && isSameList(unserved, this.#unserved)
		if (isSame) return
		this.#runs = runs
		this.#unserved = unserved
		for (const listener of this.#listeners) listener()
	}

	#forgetOldVerdicts(states: readonly RunState[]): void {
		const live = new Set(
			states.flatMap(({ directory }) => directory.checkpoints.map(({ identity }) => identity)),
		)
		for (const identity of this.#verdicts.keys()) {
			if (!live.has(identity)) this.#verdicts.delete(identity)
		}
	}
}

/** States keep their objects while nothing changes, so identity tells. */
function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
	return a.length === b.length && a.every((item, i) => item === b[i])
}
