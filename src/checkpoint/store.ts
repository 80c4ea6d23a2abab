/*
 * The checkpoints directory as the server sees it: which runs there are, which checkpoint each one
 * serves, what is wrong with the rest. The picture is kept up to date by a watcher and by a full rescan
 * (a watcher goes blind when the directory is replaced, and does not see other machines' writes), and
 * reading it costs nothing. Files are never opened by names that a client sent.
 */
import { readdir, stat } from 'node:fs/promises'
import { DirectoryWatch } from './directory-watch.ts'
import type { CheckpointInfo } from './load.ts'
import { type MetricsSeries, readMetrics } from './metrics.ts'
import { errorCode } from './regular-file.ts'
import {
	type CheckpointVersion,
	isIgnoredName,
	metricsPath,
	type RunConfig,
	type RunDirectory,
	RunReader,
	SETTLE_MS,
} from './run-directory.ts'
import { recoverUploads } from './staging.ts'

/** A run that can be served. */
export interface RunSummary extends RunConfig {
	readonly name: string
	/** Step that the bare name serves. */
	readonly step: number
	/** All steps that `name@step` can address, ascending. */
	readonly steps: readonly number[]
	/** Modification time of the served checkpoint file, epoch milliseconds with fraction. */
	readonly mtimeMs: number
	readonly lastLoss: number | null
	readonly served: CheckpointVersion
	/** What is known of the served checkpoint; null until it has been inspected. */
	readonly info: CheckpointInfo | null
	/** What is wrong with newer or other files of the run, or null. */
	readonly problem: string | null
}

/** A run that cannot be served. */
export interface DamagedRun {
	readonly name: string
	/** `incomplete` may still arrive, `damaged` needs repair. */
	readonly state: 'incomplete' | 'damaged'
	readonly reason: string
	/** Step of its newest checkpoint file, if it has one. */
	readonly step: number | null
	readonly mtimeMs: number
	readonly config: RunConfig | null
}

export interface StoreOptions {
	/** The checkpoints directory; it need not exist yet. */
	readonly directory: string
	readonly log: (level: 'info' | 'warn', message: string) => void
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

/**
 * Opens a checkpoints directory: finishes or sweeps uploads that a crash has interrupted, scans it once
 * and keeps watching.
 */
export async function openStore(options: StoreOptions): Promise<CheckpointStore> {
	const { finished, unfinished } = await recoverUploads(options.directory)
	for (const name of finished)
		options.log('info', `run ${name}: an interrupted upload was finished`)
	for (const name of unfinished) {
		options.log(
			'warn',
			`run ${name}: an interrupted upload cannot be finished, its files may be mixed`,
		)
	}
	const store = new CheckpointStore(options)
	await store.rescan()
	return store
}

const RESCAN_MS = 10_000

const OVERWRITE_MS_MAX = 10_000

/** Events are gathered for this long, so that a burst costs one look. */
const DEBOUNCE_MS = 50

type Verdict = { readonly info: CheckpointInfo } | { readonly damage: string }

interface RunState {
	readonly reader: RunReader
	directory: RunDirectory
	summary: RunSummary | null
	damaged: DamagedRun | null
	/** The damage that the log has been told of. */
	loggedDamage: string
}

export class CheckpointStore {
	readonly directory: string
	readonly #options: StoreOptions
	readonly #watch: DirectoryWatch
	readonly #listeners = new Set<() => void>()
	readonly #states = new Map<string, RunState>()
	/** What reading a file has shown, by identity. */
	readonly #verdicts = new Map<string, Verdict>()
	/** Runs that an upload is putting into place: they keep their picture until it is done. */
	readonly #writing = new Set<string>()
	#runs: readonly RunSummary[] = []
	#damaged: readonly DamagedRun[] = []
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
	damaged(): readonly DamagedRun[] {
		return this.#damaged
	}

	/** The run of that name, else the newest one with that run id in its config. */
	find(name: string): RunSummary | undefined {
		return this.#states.get(name)?.summary ?? this.#runs.find(({ runId }) => runId === name)
	}

	/** A checkpoint that can be loaded: of `step`, or the one that the run serves. */
	checkpoint(name: string, step?: number): CheckpointVersion | undefined {
		const run = this.find(name)
		if (run === undefined || step === undefined) return run?.served
		const directory = this.#states.get(run.name)?.directory
		return directory?.checkpoints.find((version) => {
			return version.step === step && this.#isUsable(version)
		})
	}

	/** The run's training metrics, thinned to `pointsMax` points. */
	metrics(name: string, pointsMax: number): Promise<MetricsSeries> {
		const run = this.#states.get(name)
		if (run === undefined) return Promise.resolve({ lineCount: 0, badLineCount: 0, points: [] })
		return readMetrics(metricsPath(this.directory, name), pointsMax)
	}

	/** Calls `listener` after each change of `runs()` or `damaged()`; returns how to stop it. */
	onChange(listener: () => void): () => void {
		this.#listeners.add(listener)
		return () => this.#listeners.delete(listener)
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
		else this.#options.log('warn', `the checkpoints directory ${problem}`)
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
			this.#states.set(name, { reader, directory, summary: null, damaged: null, loggedDamage: '' })
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
		const { summary, damaged } = this.#decide(state)
		this.#logChange(state, summary)
		if (!Bun.deepEquals(summary, state.summary)) state.summary = summary
		if (!Bun.deepEquals(damaged, state.damaged)) state.damaged = damaged
	}

	#decide(state: RunState): Pick<RunState, 'summary' | 'damaged'> {
		const { directory } = state
		const { name, config, lastLoss, checkpoints } = directory
		const problems = this.#problems(directory)
		const usable = checkpoints.filter((version) => this.#isUsable(version))
		const served =
			this.#beingOverwritten(checkpoints, state.summary?.served) ??
			this.#choose(usable, state.summary?.served)
		if (served === undefined || config === null || typeof config === 'string') {
			const newest = checkpoints.at(-1)
			const damaged: DamagedRun = {
				name,
				state: problems.some(({ state }) => state === 'damaged') ? 'damaged' : 'incomplete',
				reason: problems.map(({ reason }) => reason).join('; ') || 'no checkpoint has arrived',
				step: newest?.step ?? null,
				mtimeMs: newest?.mtimeMs ?? 0,
				config: typeof config === 'string' ? null : config,
			}
			return { summary: null, damaged }
		}
		const verdict = this.#verdicts.get(served.identity)
		const summary: RunSummary = {
			...config,
			name,
			step: served.step,
			steps: usable.map(({ step }) => step),
			mtimeMs: served.mtimeMs,
			lastLoss,
			served,
			info: verdict !== undefined && 'info' in verdict ? verdict.info : null,
			problem: problems.map(({ reason }) => reason).join('; ') || null,
		}
		return { summary, damaged: null }
	}

	/**
	 * The highest step; but one whose inside nobody has seen does not replace one that is served, until
	 * it has been inspected.
	 */
	#choose(
		usable: readonly CheckpointVersion[],
		served: CheckpointVersion | undefined,
	): CheckpointVersion | undefined {
		const highest = usable.at(-1)
		if (highest === undefined || !this.#options.inspect) return highest
		if (this.#verdicts.has(highest.identity)) return highest
		return usable.find((version) => version.identity === served?.identity) ?? highest
	}

	/**
	 * The served version while a copier writes over its file: its weights may be in memory, and the new
	 * ones will be here in a moment. Loading it meanwhile fails as a file that changes.
	 */
	#beingOverwritten(
		checkpoints: readonly CheckpointVersion[],
		served: CheckpointVersion | undefined,
	): CheckpointVersion | undefined {
		const { overwriteMsMax = OVERWRITE_MS_MAX } = this.#options
		const now = checkpoints.find(({ path }) => path === served?.path)
		const isChanging =
			now?.completeness.state === 'incomplete' && performance.now() - now.seenSince < overwriteMsMax
		return isChanging ? served : undefined
	}

	#isUsable(version: CheckpointVersion): boolean {
		const verdict = this.#verdicts.get(version.identity)
		return version.completeness.state === 'complete' && (verdict === undefined || 'info' in verdict)
	}

	#problems(run: RunDirectory): { state: 'incomplete' | 'damaged'; reason: string }[] {
		const problems: { state: 'incomplete' | 'damaged'; reason: string }[] = []
		if (run.config === null) {
			problems.push({ state: 'incomplete', reason: 'config.json has not arrived' })
		} else if (typeof run.config === 'string') {
			problems.push({ state: 'damaged', reason: run.config })
		}
		for (const name of run.strangers) {
			problems.push({ state: 'damaged', reason: `${name}: expected a regular file` })
		}
		for (const { step, identity, completeness } of run.checkpoints) {
			const verdict = this.#verdicts.get(identity)
			if (completeness.state !== 'complete') {
				problems.push({ ...completeness, reason: `step ${step}: ${completeness.reason}` })
			} else if (verdict !== undefined && 'damage' in verdict) {
				problems.push({ state: 'damaged', reason: `step ${step}: ${verdict.damage}` })
			}
		}
		return problems
	}

	#logChange(state: RunState, summary: RunSummary | null): void {
		const { log } = this.#options
		const { name } = state.directory
		const damage = this.#problems(state.directory)
			.flatMap((problem) => (problem.state === 'damaged' ? problem.reason : []))
			.join('; ')
		if (damage !== state.loggedDamage) {
			state.loggedDamage = damage
			log(
				damage === '' ? 'info' : 'warn',
				`run ${name} is ${damage ? `damaged: ${damage}` : 'whole again'}`,
			)
		}
		if (this.#hasScanned && summary !== null && summary.step !== state.summary?.step) {
			log('info', `run ${name}: step ${summary.step} is available`)
		}
	}

	/** Has the best checkpoint of a run inspected if that has not happened yet. */
	#inspectBest(name: string): void {
		const { inspect } = this.#options
		const directory = this.#states.get(name)?.directory
		const version = directory?.checkpoints.findLast((each) => this.#isUsable(each))
		if (inspect === undefined || version === undefined) return
		const { identity } = version
		if (this.#verdicts.has(identity) || this.#inspecting.has(identity)) return
		this.#inspecting.add(identity)
		this.#inspections = this.#inspections.then(async () => {
			try {
				this.#verdicts.set(identity, { info: await inspect(version) })
			} catch (error) {
				const isInvalid = error instanceof Error && 'fault' in error && error.fault === 'invalid'
				if (!isInvalid) return
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
		const damaged = states.flatMap((state) => state.damaged ?? [])
		damaged.sort((a, b) => (a.name < b.name ? -1 : 1))
		this.#forgetOldVerdicts(states)
		const isSame = isSameList(runs, this.#runs) && isSameList(damaged, this.#damaged)
		if (isSame) return
		this.#runs = runs
		this.#damaged = damaged
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
