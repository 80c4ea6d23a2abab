/*
 * All runs of the checkpoints directory as trainings: who reports, how far they are, what they told. The
 * files are the truth; what is kept in memory is a summary of each run, made again after a restart.
 */
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CheckpointVersion } from '../checkpoint/store/checkpoint-version.ts'
import { NOT_FOLLOWED } from '../checkpoint/store/files.ts'
import { isIgnoredName, TRAINING_LOG_NAME } from '../checkpoint/store/names.ts'
import type { CheckpointStore } from '../checkpoint/store/store.ts'
import type { TrainerState } from '../checkpoint/store/trainer-state.ts'
import { errorCode } from '../lib/errors.ts'
import { GatheredNames } from '../lib/gathered-names.ts'
import type { Log } from '../lib/log.ts'
import { SerialQueue } from '../lib/serial-queue.ts'
import { LiveFeed, type News } from './live-feed.ts'
import { mergeMetrics } from './merge-metrics.ts'
import { Repeats } from './repeats.ts'
import type { JsonObject, Report } from './report.ts'
import { runDirectoryName } from './run-name.ts'
import { judgeState, type RunState } from './run-state.ts'
import { TrainingRun } from './training-run.ts'
import { emptyTrash, moveToTrash } from './trash.ts'

export interface TrainingRunsOptions {
	readonly store: CheckpointStore
	readonly log: Log
	/** Epoch milliseconds; for tests. */
	readonly now?: () => number
}

/** Files that wait to be moved into a run. */
export interface StagedFiles {
	readonly files: readonly string[]
	pathOf(fileName: string): string
	removeFile(fileName: string): Promise<void>
}

/** A run as lists show it. */
export interface RunOverview {
	/** Its directory, which is the model's id. */
	readonly name: string
	/** As its trainer calls it. */
	readonly runId: string
	/** What people call it: the run id that was reported, else the directory. */
	readonly title: string
	readonly path: string
	/** Where its metrics are, if not in a training log. */
	readonly trainerState: TrainerState | null
	readonly state: RunState
	readonly domain: string | null
	readonly modelConfig: JsonObject
	readonly trainConfig: JsonObject
	/** The machine that trains, as its trainer described it. */
	readonly machine: JsonObject
	readonly totalParams: number | null
	/** 0 before the first. */
	readonly latestStep: number
	/** Steps that the training shall have. */
	readonly totalSteps: number | null
	readonly lastLoss: number | null
	readonly bestValLoss: number | null
	readonly metricCount: number
	/** The last line of its metrics. */
	readonly lastPoint: JsonObject | null
	/** Steps of the checkpoints that can be talked to, ascending. */
	readonly checkpointSteps: readonly number[]
	/** Epoch milliseconds; null where no trainer has said. */
	readonly startedAtMs: number | null
	/** Epoch milliseconds; 0 = never. */
	readonly lastHeardMs: number
	/** Until the last step at the present speed; null where that cannot be told. */
	readonly secondsLeft: number | null
}

const TRASH_INTERVAL_MS = 3_600_000

const POSTPONED_MS = 2000

/** Knows the runs of a store's directory; they are read in the background, see `ready`. */
export class TrainingRuns {
	readonly feed = new LiveFeed()
	readonly #options: TrainingRunsOptions
	readonly #runs = new Map<string, TrainingRun>()
	readonly #now: () => number
	readonly #stops: (() => void)[] = []
	/** Looks at the directory, one after another. */
	readonly #reading = new SerialQueue()
	/** Runs to be looked at when their trainers are silent. */
	readonly #postponed = new GatheredNames(POSTPONED_MS, (names) => this.#look(names))
	/** Checkpoints that watchers have been told of, by run. */
	readonly #toldSteps = new Map<string, string>()

	constructor(options: TrainingRunsOptions) {
		const { store, now = Date.now } = options
		this.#options = options
		this.#now = now
		void this.#reading.run(() => this.#readAll())
		this.#stops.push(store.onLook((names) => this.#look(names)))
		this.#stops.push(store.onChange(() => this.#tellCheckpoints()))
		const timer = setInterval(() => void emptyTrash(store.directory, now()), TRASH_INTERVAL_MS)
		timer.unref()
		this.#stops.push(() => clearInterval(timer))
	}

	/** Resolves when every run that was there has been read. */
	ready(): Promise<void> {
		return this.#reading.idle()
	}

	/**
	 * Resolves when `find` knows of the run if there is one: another server may have written it a moment ago.
	 * Costs one system call when there is none.
	 */
	async lookFor(id: string): Promise<void> {
		await this.ready()
		if (this.find(id) !== undefined) return
		await this.#options.store.lookFor(id)
		await this.ready()
	}

	/**
	 * Takes what a trainer says; it is on disk when this resolves. A report that comes in parts brings the same
	 * `repeats` with each.
	 */
	async report(report: Report, repeats = new Repeats()): Promise<void> {
		await this.#runOf(runDirectoryName(report.runId)).report(report, repeats, this.#now())
	}

	/** All runs, those that were heard of last first. */
	list(): readonly RunOverview[] {
		const overviews = [...this.#runs.values()].flatMap((run) => this.#overview(run) ?? [])
		return overviews.sort((a, b) => b.lastHeardMs - a.lastHeardMs || (a.name < b.name ? -1 : 1))
	}

	/** The run in the directory of that name, else the one whose trainer calls it so. */
	find(id: string): RunOverview | undefined {
		const named = this.#runs.get(id)
		const overview = named && this.#overview(named)
		return overview ?? this.list().find(({ runId }) => runId === id)
	}

	/** Checkpoints of a run that can be talked to, by step. */
	checkpoints(name: string): readonly CheckpointVersion[] {
		return this.#options.store.checkpoints(name)
	}

	/**
	 * Runs `commit`, which moves the staged files of an upload into the run `name`, while no report is
	 * written there. Metrics that were reported and are not in the upload are kept.
	 */
	async aroundCommit(
		name: string,
		staged: StagedFiles,
		commit: () => Promise<void>,
	): Promise<void> {
		const run = this.#runOf(name)
		await run.refresh()
		await run.exclusively(async () => {
			const isReported = run.record !== null
			if (isReported && staged.files.includes(TRAINING_LOG_NAME)) {
				const arriving = staged.pathOf(TRAINING_LOG_NAME)
				const isTaken = await mergeMetrics(arriving, join(run.path, TRAINING_LOG_NAME))
				if (!isTaken) await staged.removeFile(TRAINING_LOG_NAME)
			}
			await commit()
		})
		await run.refresh()
	}

	/** Moves a run into the trash, where it stays for a day. */
	async remove(name: string): Promise<void> {
		const { store, log } = this.#options
		const run = this.#runOf(name)
		const runId = run.record?.runId ?? name
		await run.exclusively(() => moveToTrash(store.directory, name, this.#now()))
		await run.refresh()
		this.#forget(name)
		await store.rescan(name)
		log('info', `run ${name} was deleted; it stays in .trash for a day`)
		this.feed.publish(() => ({ run: name, runId, type: 'run_removed', fields: '"removed":true' }))
	}

	close(): void {
		for (const stop of this.#stops) stop()
		this.#postponed.close()
		this.feed.close()
	}

	#runOf(name: string): TrainingRun {
		const known = this.#runs.get(name)
		if (known !== undefined) return known
		const { store } = this.#options
		const run = new TrainingRun({
			root: store.directory,
			name,
			publish: (news: () => News) => this.feed.publish(news),
			expectRoot: () => store.expectThere(),
			trainerState: () => store.trainerState(name),
		})
		this.#runs.set(name, run)
		return run
	}

	async #readAll(): Promise<void> {
		const { store } = this.#options
		await emptyTrash(store.directory, this.#now())
		const entries = await readdir(store.directory, { withFileTypes: true }).catch(() => [])
		for (const entry of entries) {
			if (!entry.isDirectory() || isIgnoredName(entry.name)) continue
			await this.#runOf(entry.name).sweep()
			await this.#readRun(entry.name)
		}
		this.#tellCheckpoints()
	}

	/** Something has changed in these directories, or may have. */
	#look(names: readonly string[]): void {
		void this.#reading.run(async () => {
			for (const name of names) await this.#readRun(name)
		})
	}

	async #readRun(name: string): Promise<void> {
		const { store, log } = this.#options
		try {
			if (this.#runs.get(name)?.isFresh) {
				this.#postponed.add(name)
				return
			}
			const isThere = (await lstat(join(store.directory, name)).catch(() => null))?.isDirectory()
			if (!isThere) {
				this.#forget(name)
				return
			}
			await this.#runOf(name).refresh()
		} catch (error) {
			const cause = errorCode(error) === 'ELOOP' ? `a file ${NOT_FOLLOWED}` : String(error)
			log('warn', `run ${name}: its reports cannot be read`, { cause })
		}
	}

	/** Forgets a run whose directory has gone. Who reports to it at this moment has it come again. */
	#forget(name: string): void {
		if (this.#runs.get(name)?.isIdle) this.#runs.delete(name)
	}

	/** Null for a directory that holds nothing of a run. */
	#overview(run: TrainingRun): RunOverview | null {
		const { store } = this.#options
		const { name, record, progress } = run
		const served = store.find(name)
		const unserved = store.findUnserved(name)
		const config = served ?? unserved?.config ?? null
		if (record === null && config === null && progress.metricCount === 0) return null
		const trainConfig = record?.trainConfig ?? config?.trainConfig ?? {}
		const totalSteps = positiveOrNull(trainConfig['iters'])
		const latestStep = Math.max(progress.latestStep, served?.step ?? 0, record?.finalStep ?? 0)
		const lastHeardMs = Math.max(run.lastHeardMs, record === null ? (served?.mtimeMs ?? 0) : 0)
		const evidence = {
			declared: record?.state ?? null,
			latestStep,
			totalSteps,
			lastHeardMs,
			hasCheckpoint: served !== undefined,
			endsInError: run.endsInError,
		}
		const overview: RunOverview = {
			name,
			runId: record?.runId ?? config?.runId ?? name,
			title: record?.runId ?? name,
			path: run.path,
			trainerState: store.trainerState(name),
			state: judgeState(evidence, this.#now()),
			domain: record?.domain ?? config?.domain ?? null,
			modelConfig: record === null ? (config?.modelConfig ?? {}) : record.modelConfig,
			trainConfig,
			machine: record?.machine ?? {},
			totalParams: record?.totalParams ?? served?.info?.parameterCount ?? null,
			latestStep,
			totalSteps,
			lastLoss: progress.lastLoss,
			bestValLoss: progress.bestValLoss,
			metricCount: progress.metricCount,
			lastPoint: progress.lastPoint,
			checkpointSteps: served?.steps ?? [],
			startedAtMs: record === null ? null : Date.parse(record.startedAt),
			lastHeardMs,
			secondsLeft: null,
		}
		return { ...overview, secondsLeft: secondsLeft(overview) }
	}

	/** Tells watchers of checkpoints that have arrived. */
	#tellCheckpoints(): void {
		for (const { name, runId, steps, step } of this.#options.store.runs()) {
			const text = steps.join()
			if (this.#toldSteps.get(name) === text) continue
			this.#toldSteps.set(name, text)
			const fields = `"step":${step},"steps":${JSON.stringify(steps)}`
			this.feed.publish(() => ({ run: name, runId: runId ?? name, type: 'checkpoint', fields }))
		}
	}
}

/** By the time of the last step where the trainer tells it, else by the clock. */
function secondsLeft(run: RunOverview): number | null {
	const isRunning = run.state === 'training' || run.state === 'active'
	if (!isRunning || run.totalSteps === null || run.latestStep <= 0) return null
	const stepMs = positiveOrNull(run.lastPoint?.['ms_per_iter'])
	const elapsedMs = run.lastHeardMs - (run.startedAtMs ?? run.lastHeardMs)
	const perStepMs = stepMs ?? elapsedMs / run.latestStep
	if (perStepMs <= 0) return null
	return Math.max(0, ((run.totalSteps - run.latestStep) * perStepMs) / 1000)
}

function positiveOrNull(value: unknown): number | null {
	return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : null
}
