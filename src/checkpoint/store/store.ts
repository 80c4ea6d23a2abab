/*
 * The checkpoints directory as the server sees it: which runs there are, which checkpoint each one
 * serves, what is wrong with the rest. The picture is kept up to date by a watcher, by a look at the
 * directory itself each second, and by looks at the runs in turn (a watcher does not see other machines'
 * writes, and may be refused); reading it costs nothing. What cannot be read at the moment stays as it
 * was known. Files are never opened by names that a client sent.
 */

import { join } from 'node:path'
import { messageOf } from '../../lib/errors.ts'
import { Fault } from '../../lib/fault.ts'
import { GatheredNames } from '../../lib/gathered-names.ts'
import type { Log } from '../../lib/log.ts'
import { SerialQueue } from '../../lib/serial-queue.ts'
import { isGgufName } from '../formats/gguf.ts'
import type { CheckpointInfo } from '../load/checkpoint-info.ts'
import type { CheckpointVersion } from './checkpoint-version.ts'
import { DirectoryWatch } from './directory-watch.ts'
import { directoryGone, lookAt } from './files.ts'
import type { InspectionIndex } from './inspection-index.ts'
import { type Inspect, Inspections } from './inspections.ts'
import { isIgnoredName, LOG_NAMES, trainingLogPath } from './names.ts'
import { Picture } from './picture.ts'
import { SETTLE_MS } from './rest.ts'
import { RootDirectory } from './root-directory.ts'
import { RunReader } from './run-directory.ts'
import type { RunSummary, UnservedRun } from './run-judgement.ts'
import { RunLog } from './run-log.ts'
import { readTrainerSeries, type TrainerState } from './trainer-state.ts'
import { type LossSeries, LossSeriesReader } from './training-log.ts'

export interface StoreOptions {
	/** The checkpoints directory; it need not exist yet. */
	readonly directory: string
	readonly log: Log
	/** Without it a file is taken at its word until loaded. */
	readonly inspect?: Inspect
	/** Where inspections are remembered over restarts; without it they are not. */
	readonly index?: InspectionIndex
	/** Time between looks at runs that nobody has told us of, in milliseconds. */
	readonly rescanMs?: number
	/** How long a run stays in service while its served file is being written over, since the last byte. */
	readonly overwriteMsMax?: number
}

/** Opens a checkpoints directory: looks at everything once and keeps watching. */
export async function openStore(options: StoreOptions): Promise<CheckpointStore> {
	const store = new CheckpointStore(options)
	await store.rescan()
	return store
}

const RESCAN_MS = 10_000

/** Time between looks at the directory itself. */
const ROOT_LOOK_MS = 1000

/** Runs that are looked at in turn every `rescanMs`, so that idling costs the same with any number. */
const RUNS_IN_TURN = 128

/** Runs that are looked at at the same time. */
const LOOKS_AT_ONCE = 32

const OVERWRITE_MS_MAX = 10_000

/** Events are gathered for this long, so that a burst costs one look. */
const DEBOUNCE_MS = 50

/** The same of logs: while a training runs, they change all the time and nothing else does. */
const LOGS_MS = 1000

/** Verdicts are gathered for this long, so that thousands cost few pictures. */
const PUBLISH_MS = 100

/** How often, and at what distance, what was just stored is looked for when it cannot be read. */
const STORED_LOOKS = 50
const STORED_LOOK_MS = 100
const STORED_RETRY_SECONDS = 2

export class CheckpointStore {
	readonly directory: string
	readonly #options: StoreOptions
	readonly #log: RunLog
	readonly #root: RootDirectory
	readonly #watch: DirectoryWatch
	readonly #inspections: Inspections
	readonly #picture: Picture
	readonly #series = new LossSeriesReader()
	readonly #lookListeners = new Set<(names: readonly string[]) => void>()
	/** Runs that an upload is putting into place: they keep their picture until it is done. */
	readonly #writing = new Set<string>()
	/** Runs that somebody who missed them has us look for. */
	readonly #lookingFor = new Map<string, Promise<void>>()
	#publishing: Timer | null = null
	readonly #scans = new SerialQueue()
	readonly #changed = new GatheredNames(DEBOUNCE_MS, (names) => {
		this.#scanLater(() => this.#scan(names))
	})
	readonly #logged = new GatheredNames(LOGS_MS, (names) => {
		this.#scanLater(() => this.#scanLogs(names))
	})
	readonly #timers: readonly Timer[]
	/** Directories in the checkpoints directory, and whose turn it is. */
	#names: readonly string[] = []
	#turn = 0
	readonly #newestKnown = Promise.withResolvers<void>()
	readonly #firstScan = Promise.withResolvers<void>()
	/** The first scan finds everything: not worth a line each. */
	#hasScanned = false
	#isClosed = false

	constructor(options: StoreOptions) {
		const { directory, log, inspect, index } = options
		const { rescanMs = RESCAN_MS, overwriteMsMax = OVERWRITE_MS_MAX } = options
		this.#options = options
		this.directory = directory
		this.#log = new RunLog(log)
		this.#inspections = new Inspections(inspect, index)
		this.#picture = new Picture(this.#inspections, this.#log, overwriteMsMax)
		this.#root = new RootDirectory(directory)
		this.#watch = new DirectoryWatch(directory, (name, file) => {
			this.#noteChange(name, file)
		})
		this.#timers = [
			setInterval(() => this.#scanLater(() => this.#lookAtRoot()), ROOT_LOOK_MS),
			setInterval(() => this.#scanLater(() => this.#lookInTurn()), rescanMs),
		]
		for (const timer of this.#timers) timer.unref()
	}

	/** Resolves when `runs()` begins with the newest run. */
	newestKnown(): Promise<void> {
		return this.#newestKnown.promise
	}

	/** Resolves when everything has been looked at once. */
	ready(): Promise<void> {
		return this.#firstScan.promise
	}

	/** Runs that can be served, newest checkpoint first, equal times by name. */
	runs(): readonly RunSummary[] {
		return this.#picture.runs
	}

	/** Runs that are damaged or incomplete, by name. */
	unserved(): readonly UnservedRun[] {
		return this.#picture.unserved
	}

	/** The run of that name, if it can be served. */
	find(name: string): RunSummary | undefined {
		return this.#picture.find(name)
	}

	/** The run of that name, if it cannot be served. */
	findUnserved(name: string): UnservedRun | undefined {
		return this.#picture.findUnserved(name)
	}

	/** The newest run with that run id in its config; a damaged one first, so that none stands in for it. */
	findByRunId(runId: string): { readonly name: string } | undefined {
		return this.#picture.findByRunId(runId)
	}

	/** A checkpoint that can be loaded: of `step`, or the one that the run serves. */
	checkpoint(name: string, step?: number): CheckpointVersion | undefined {
		const run = this.find(name)
		if (run === undefined || step === undefined || step === run.step) return run?.served
		return this.checkpoints(run.name).find((version) => version.step === step)
	}

	/** What the run's training log tells, thinned to `pointsMax` points. */
	lossSeries(name: string, pointsMax: number): Promise<LossSeries> {
		const state = this.trainerState(name)
		if (state !== null) return readTrainerSeries(state, pointsMax)
		return this.#series.read(trainingLogPath(this.directory, name), pointsMax)
	}

	/** What Hugging Face's Trainer tells of the run's training, where it and no training log does. */
	trainerState(name: string): TrainerState | null {
		return this.#picture.directoryOf(name)?.trainerState ?? null
	}

	/** Calls `listener` after each change of `runs()` or `unserved()`; returns how to stop it. */
	onChange(listener: () => void): () => void {
		return this.#picture.onChange(listener)
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
		return this.#picture.checkpoints(name)
	}

	/** Resolves when every checkpoint that was there has been inspected. */
	async inspected(): Promise<void> {
		await this.#inspections.idle()
		this.#publish()
	}

	/** Looks at everything again, or at one run; resolves when the picture is up to date. */
	rescan(name?: string): Promise<void> {
		return this.#scans.run(() => (name === undefined ? this.#scanAll() : this.#scan([name])))
	}

	/**
	 * Looks for a run that a request has missed: another server may have stored it a moment ago. Costs
	 * one system call when there is nothing, and one look for all who miss the same name.
	 */
	lookFor(name: string): Promise<void> {
		if (!isDirectoryName(name)) return Promise.resolve()
		const looking = this.#lookingFor.get(name)
		if (looking !== undefined) return looking
		const look = async () => {
			const { type } = await lookAt(join(this.directory, name))
			if (type === 'directory' || (type === 'file' && isGgufName(name))) await this.rescan(name)
		}
		const promise = look().finally(() => this.#lookingFor.delete(name))
		this.#lookingFor.set(name, promise)
		return promise
	}

	/**
	 * Tells that loading a checkpoint has shown it to be damaged. Unless its file has changed meanwhile,
	 * the run falls back to its next best step or becomes damaged.
	 */
	async reportDamage(name: string, version: CheckpointVersion, reason: string): Promise<void> {
		await this.#scans.run(async () => {
			this.#inspections.note(version, { fault: { kind: 'damaged', reason } })
			await this.#scan([name])
			this.#picture.judge(name, this.#hasScanned)
			this.#publish()
		})
	}

	/**
	 * Runs `write`, which puts verified files of a run into place. Until it is done the run keeps its
	 * picture, so nobody sees a mix; when this resolves the new files are served. `step` and `info`
	 * describe the new checkpoint. Throws Fault `overloaded` when they are stored but cannot be read.
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
			for (
				let look = 1;
				!(await this.#scans.run(() => this.#seeStored(name, step, info)));
				look++
			) {
				if (look === STORED_LOOKS) {
					const message =
						'The checkpoint is stored, but its directory cannot be read at the moment.'
					throw new Fault('overloaded', message, { retrySeconds: STORED_RETRY_SECONDS })
				}
				await Bun.sleep(STORED_LOOK_MS)
			}
		} finally {
			this.#writing.delete(name)
		}
	}

	/** Throws Fault `not-writable` while the directory is not there: it is never made where it has gone. */
	async expectThere(): Promise<void> {
		const obstacle = await this.#root.obstacle()
		if (obstacle !== null) throw directoryGone(obstacle)
	}

	/** Stops watching. */
	close(): void {
		this.#isClosed = true
		for (const timer of this.#timers) clearInterval(timer)
		this.#changed.close()
		this.#logged.close()
		if (this.#publishing !== null) clearTimeout(this.#publishing)
		this.#inspections.close()
		this.#watch.close()
	}

	#noteChange(name: string | null, file = ''): void {
		if (this.#isClosed) return
		if (name === null) {
			this.#scanLater(() => this.#scanAll())
			return
		}
		if (isIgnoredName(name)) return
		const gathered = LOG_NAMES.has(file) ? this.#logged : this.#changed
		gathered.add(name)
	}

	/** A scan that nobody waits for: its failure is a line in the log, and the next one tries again. */
	#scanLater(scan: () => Promise<void>): void {
		this.#scans.run(scan).catch((error: unknown) => {
			this.#options.log(
				'warn',
				`the checkpoints directory could not be scanned: ${messageOf(error)}`,
			)
		})
	}

	async #scanAll(): Promise<void> {
		const root = await this.#look()
		const names = [...new Set([...this.#picture.names, ...this.#names])]
		if (this.#hasScanned) {
			if (root !== 'unreadable' && root !== 'missing') await this.#scan(names)
			return
		}
		await this.#scanFirst(names)
		this.#hasScanned = true
		this.#firstScan.resolve()
		// Setting up a watch takes its time with many directories. No event tells what came meanwhile.
		await this.#look()
		await this.#scan(this.#names.filter((name) => this.#picture.readerOf(name) === undefined))
	}

	/** The newest first, so that a request that names no model need not wait for thousands of others. */
	async #scanFirst(names: readonly string[]): Promise<void> {
		const glances: { readonly name: string; readonly mtimeMs: number }[] = []
		await atOnce(names, async (name) => {
			glances.push({ name, mtimeMs: await new RunReader(this.directory, name).glance() })
		})
		glances.sort((a, b) => b.mtimeMs - a.mtimeMs)
		let at = 0
		const knowsNewest = () => (this.runs()[0]?.mtimeMs ?? -1) >= (glances[at]?.mtimeMs ?? -1)
		for (; at < glances.length && !knowsNewest(); at += LOOKS_AT_ONCE) {
			await this.#lookAtRuns(glances.slice(at, at + LOOKS_AT_ONCE).map(({ name }) => name))
			this.#publish()
		}
		this.#newestKnown.resolve()
		await this.#inspections.remember()
		const early = glances.slice(0, at).map(({ name }) => name)
		for (const name of early) this.#inspectBest(name)
		for (const listener of this.#lookListeners) listener(early)
		await this.#scan(glances.slice(at).map(({ name }) => name))
	}

	/** Finds what has come into the directory and what has gone from it. */
	async #lookAtRoot(): Promise<void> {
		if (!this.#hasScanned) return
		const before = this.#names
		const root = await this.#look()
		if (root === 'replaced') await this.#scanAll()
		if (root !== 'changed') return
		await this.#scan([...new Set(this.#names).symmetricDifference(new Set(before))])
	}

	/** Looks at some runs whose turn it is. */
	async #lookInTurn(): Promise<void> {
		const count = Math.min(RUNS_IN_TURN, this.#names.length)
		const names = Array.from({ length: count }, (_, i) => {
			return this.#names[(this.#turn + i) % this.#names.length]!
		})
		this.#turn = (this.#turn + count) % Math.max(1, this.#names.length)
		await this.#scan(names)
	}

	/** Reads the directory's names if it has changed, and makes sure that it is the one watched. */
	async #look(): Promise<'same' | 'changed' | 'replaced' | 'missing' | 'unreadable'> {
		if (this.#isClosed) return 'unreadable'
		const root = await this.#root.look()
		this.#log.directory(this.directory, root.type === 'present' ? null : root.reason)
		if (root.type === 'unreadable') return 'unreadable'
		if (root.type === 'missing') {
			this.#names = []
			this.#watch.close()
			return 'missing'
		}
		this.#names = root.names
		const isReplaced = this.#hasScanned && this.#watch.follow(root.identity)
		return isReplaced ? 'replaced' : root.hasChanged ? 'changed' : 'same'
	}

	/** Looks at runs. One run's failure is not another's. */
	async #scan(names: readonly string[]): Promise<void> {
		await this.#lookAtRuns(names)
		this.#publish()
		for (const listener of this.#lookListeners) listener(names)
		for (const name of names) this.#inspectBest(name)
	}

	/** Looks at runs of which only logs have changed: by them no directory becomes a run that is served. */
	async #scanLogs(names: readonly string[]): Promise<void> {
		await this.#lookAtRuns(names.filter((name) => this.#picture.readerOf(name) !== undefined))
		this.#publish()
		for (const listener of this.#lookListeners) listener(names)
	}

	async #lookAtRuns(names: readonly string[]): Promise<void> {
		await atOnce(names, async (name) => {
			if (this.#isClosed || this.#writing.has(name) || !isDirectoryName(name)) return
			try {
				// What is there at the start is taken as it stands: a restart must not hide it for a second.
				await this.#scanRun(name, !this.#hasScanned)
			} catch (error) {
				this.#log.failed(name, messageOf(error))
			}
		})
	}

	/** Takes in what a run's directory holds; false when that cannot be told at the moment. */
	async #scanRun(name: string, resting: boolean): Promise<boolean> {
		const reader = this.#picture.readerOf(name) ?? new RunReader(this.directory, name)
		const root = await this.#root.identity()
		const directory = await reader.read(resting)
		// Only a directory that stood there all the time has shown that a run, or a file of it, is gone.
		if (root === null || root !== (await this.#root.identity())) return false
		if (directory === null) {
			this.#picture.remove(name)
			return true
		}
		this.#picture.see(name, reader, directory, this.#hasScanned)
		if (directory.isSettling) {
			setTimeout(() => this.#noteChange(name), SETTLE_MS).unref()
		}
		return true
	}

	/** Looks at what an upload has stored; false when it cannot be read at the moment. */
	async #seeStored(name: string, step: number, info: CheckpointInfo): Promise<boolean> {
		if (!(await this.#scanRun(name, true))) return false
		const directory = this.#picture.directoryOf(name)
		const version = directory?.checkpoints.find((each) => each.step === step)
		if (version !== undefined) this.#inspections.note(version, { info })
		this.#picture.judge(name, this.#hasScanned)
		this.#publish()
		const isGone = directory === undefined
		return isGone || (version !== undefined && directory.unreadable.length === 0)
	}

	#inspectBest(name: string): void {
		const version = this.checkpoints(name).at(-1)
		if (version === undefined) return
		this.#inspections.request(version, () => {
			if (this.#isClosed) return
			this.#picture.judge(name, this.#hasScanned)
			this.#inspectBest(name)
			this.#publishing ??= setTimeout(
				() => this.#scanLater(async () => this.#publish()),
				PUBLISH_MS,
			)
			this.#publishing.unref()
		})
	}

	/** Makes the current picture visible. */
	#publish(): void {
		if (this.#publishing !== null) clearTimeout(this.#publishing)
		this.#publishing = null
		this.#picture.publish()
	}
}

/** Runs `work` for all names, for some at the same time. */
async function atOnce(
	names: readonly string[],
	work: (name: string) => Promise<void>,
): Promise<void> {
	for (let at = 0; at < names.length; at += LOOKS_AT_ONCE) {
		await Promise.all(names.slice(at, at + LOOKS_AT_ONCE).map(work))
	}
}

/** A name that can be a directory of a run. */
function isDirectoryName(name: string): boolean {
	return name !== '' && !name.includes('/') && !name.includes('\0') && !isIgnoredName(name)
}
