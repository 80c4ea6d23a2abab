/*
 * One run as its directory tells it: what its trainer reported, and what has been written there by
 * others, which comes to be known by reading the files on from where we were.
 */
import { lstat, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncDirectory } from '../checkpoint/store/files.ts'
import { EVENTS_NAME, SAMPLES_NAME, TRAINING_LOG_NAME } from '../checkpoint/store/names.ts'
import { readTrainerPoints, type TrainerState } from '../checkpoint/store/trainer-state.ts'
import { errorCode } from '../lib/errors.ts'
import { Fault } from '../lib/fault.ts'
import { SerialQueue } from '../lib/serial-queue.ts'
import { inSlices } from '../lib/steps.ts'
import {
	type Entry,
	metricsEntries,
	numberOrNull,
	parseObject,
	toEntries,
	toEntry,
	toEventRow,
	withoutTime,
} from './entries.ts'
import { LineFile } from './line-file.ts'
import type { News } from './live-feed.ts'
import type { Repeats } from './repeats.ts'
import type { JsonObject, Report, RunStart } from './report.ts'
import {
	type RunRecord,
	readRecord,
	recordIdentity,
	sweepRecord,
	writeRecord,
} from './run-record.ts'

/** run.json is written this often while reports come, milliseconds. */
const RECORD_INTERVAL_MS = 30_000

/** A start this soon after the last word is the same start, sent again. */
const SAME_START_MS = 60_000

/** A trainer that has reported this lately is not expected to write beside that, milliseconds. */
const REPORTED_MS = 1000

/** But after so long its files are looked at. */
const READ_MS = 10_000

/** What the metrics say so far. */
export interface Progress {
	/** -1 before the first. */
	readonly latestStep: number
	readonly lastLoss: number | null
	readonly bestValLoss: number | null
	readonly metricCount: number
	/** The last line. */
	readonly lastPoint: JsonObject | null
}

const NO_PROGRESS: Progress = {
	latestStep: -1,
	lastLoss: null,
	bestValLoss: null,
	metricCount: 0,
	lastPoint: null,
}

export interface TrainingRunOptions {
	/** The checkpoints directory. */
	readonly root: string
	readonly name: string
	readonly publish: (news: () => News) => void
	/** Throws Fault while the checkpoints directory is not there. */
	readonly expectRoot: () => Promise<void>
	/** What Hugging Face's Trainer tells at present, where no training log does. */
	readonly trainerState: () => TrainerState | null
}

/** How lines go to one of the files. */
interface Destination {
	readonly file: LineFile
	/** May these lines stand there already? */
	mayRepeat(): boolean
	readonly repeats: Repeats
	/** Lines of the same sameness are the same. */
	sameness(line: string): string
	/** Takes in what has been added; the first line is the `firstNumber`-th. */
	take(entries: readonly Entry[], firstNumber: number): void
}

export class TrainingRun {
	/** Its directory. */
	readonly name: string
	readonly path: string
	readonly #publish: (news: () => News) => void
	readonly #expectRoot: () => Promise<void>
	readonly #metrics: LineFile
	readonly #events: LineFile
	readonly #samples: LineFile
	#record: RunRecord | null = null
	/** State of run.json that was read last; null for none. */
	#recordIdentity: string | null = null
	#recordWrittenMs = 0
	#progress = NO_PROGRESS
	readonly #trainerState: () => TrainerState | null
	/** The state whose log the progress is of. */
	#stateRead: TrainerState | null = null
	#endsInError = false
	#lastHeardMs = 0
	/** Of the last report, and of the last look at all files; by the clock of `performance.now()`. */
	#reportedMs = Number.NEGATIVE_INFINITY
	#readMs = Number.NEGATIVE_INFINITY
	/** Its files have been read once: what comes now is news. */
	#isKnown = false
	/** The directory was there when a report came: it is not looked for again until it is missed. */
	#hasDirectory = false
	/** One at a time works on the files. */
	readonly #turns = new SerialQueue()

	/** The directory need not exist yet. */
	constructor({ root, name, publish, expectRoot, trainerState }: TrainingRunOptions) {
		this.name = name
		this.path = join(root, name)
		this.#publish = publish
		this.#expectRoot = expectRoot
		this.#trainerState = trainerState
		this.#metrics = new LineFile(join(this.path, TRAINING_LOG_NAME))
		this.#events = new LineFile(join(this.path, EVENTS_NAME))
		this.#samples = new LineFile(join(this.path, SAMPLES_NAME))
	}

	/** What run.json says; null where no trainer has reported. */
	get record(): RunRecord | null {
		return this.#record
	}

	get progress(): Progress {
		return this.#progress
	}

	get endsInError(): boolean {
		return this.#endsInError
	}

	/** When anything was reported or written last, epoch milliseconds; 0 = never. */
	get lastHeardMs(): number {
		return this.#lastHeardMs
	}

	/** Nobody works on its files, or waits for that. */
	get isIdle(): boolean {
		return this.#turns.isIdle
	}

	/** Runs `work` while nothing else writes to the run's files. */
	exclusively<T>(work: () => Promise<T>): Promise<T> {
		return this.#turns.run(work)
	}

	/** Reports tell what looking at its files would. */
	get isFresh(): boolean {
		const now = performance.now()
		return now - this.#reportedMs < REPORTED_MS && now - this.#readMs < READ_MS
	}

	/** Reads what has been written since the last time. */
	refresh(): Promise<void> {
		return this.exclusively(() => this.#read())
	}

	/** Removes what a crash has left beside the files. */
	sweep(): Promise<void> {
		return this.exclusively(() => sweepRecord(this.path))
	}

	/** Takes a report; it is on disk when this resolves. What was reported before is not stored twice. */
	report(report: Report, repeats: Repeats, nowMs: number): Promise<void> {
		return this.exclusively(async () => {
			if (!this.#hasDirectory) await this.#makeDirectory()
			if (!this.#isKnown) await this.#read()
			// Before anybody is told: whoever looks then must not find it silent.
			this.#lastHeardMs = nowMs
			this.#reportedMs = performance.now()
			try {
				await this.#store(report, repeats, nowMs)
			} catch (error) {
				if (!['ENOENT', 'ENOTDIR'].includes(errorCode(error))) throw error
				await this.#makeDirectory()
				await this.#store(report, repeats, nowMs)
			}
		})
	}

	async #store(report: Report, repeats: Repeats, nowMs: number): Promise<void> {
		switch (report.type) {
			case 'run_start':
				await this.#start(report, nowMs)
				return
			case 'metrics': {
				const { entries, first } = await inSlices(metricsEntries(report.points))
				const hasNew = await this.#append(entries, {
					file: this.#metrics,
					mayRepeat: () => first <= this.#progress.latestStep,
					repeats,
					sameness: (line) => line,
					take: (points) => this.#takeMetrics(points),
				})
				// A training that had ended goes on.
				await this.#heard(report.runId, nowMs, hasNew ? 'active' : undefined)
				return
			}
			case 'events': {
				await this.#append(
					report.events.flatMap((event) => toEntry(event) ?? []),
					{
						file: this.#events,
						mayRepeat: () => true,
						repeats,
						sameness: (line) => line,
						take: (events, first) =>
							this.#takeEvents(
								events.map(({ value }) => value),
								first,
							),
					},
				)
				await this.#heard(report.runId, nowMs)
				return
			}
			case 'samples': {
				await this.#append(
					[report.sampleSet].flatMap((set) => toEntry(set) ?? []),
					{
						file: this.#samples,
						mayRepeat: () => true,
						repeats,
						sameness: withoutTime,
						take: (sets) => this.#takeSamples(sets),
					},
				)
				await this.#heard(report.runId, nowMs)
				return
			}
			case 'heartbeat':
				await this.#heard(report.runId, nowMs)
				this.#tell('heartbeat', () => `"step":${JSON.stringify(report.step)}`)
				return
			case 'complete':
				await this.#complete(report, nowMs)
				return
		}
	}

	async #start(start: RunStart, nowMs: number): Promise<void> {
		const { runId, domain, modelConfig, trainConfig, totalParams, infra: machine } = start
		const now = new Date(nowMs).toISOString()
		await this.#readRecord()
		const before = this.#record
		const isRepeated = before?.state === 'active' && nowMs - this.#lastHeardMs < SAME_START_MS
		await this.#write({
			runId,
			state: 'active',
			domain,
			startedAt: isRepeated ? before.startedAt : now,
			lastHeardAt: now,
			finalStep: null,
			totalParams,
			machine,
			modelConfig,
			trainConfig,
		})
		this.#lastHeardMs = nowMs
		this.#tell('run_start', () =>
			fieldsOf({ domain, modelConfig, trainConfig, totalParams, infra: machine }),
		)
	}

	async #complete(
		{ runId, finalStep, isFailed }: Extract<Report, { type: 'complete' }>,
		nowMs: number,
	): Promise<void> {
		await this.#readRecord()
		await this.#write({
			...(this.#record ?? emptyRecord(runId, nowMs)),
			state: isFailed ? 'failed' : 'completed',
			finalStep,
			lastHeardAt: new Date(nowMs).toISOString(),
		})
		this.#lastHeardMs = nowMs
		this.#tell('run_complete', () => fieldsOf({ finalStep, failed: isFailed }))
	}

	/** Notes that the trainer lives; in run.json when it has not been noted for a while. */
	async #heard(runId: string, nowMs: number, state?: 'active'): Promise<void> {
		this.#lastHeardMs = nowMs
		const known = this.#record
		const isSame = known !== null && (state === undefined || state === known.state)
		if (isSame && nowMs - this.#recordWrittenMs < RECORD_INTERVAL_MS) return
		// People may have written it, too.
		await this.#readRecord()
		const record = this.#record ?? emptyRecord(runId, nowMs)
		const lastHeardAt = new Date(nowMs).toISOString()
		await this.#write({ ...record, state: state ?? record.state, lastHeardAt })
		// Its metrics were told while it still counted as ended.
		if (this.#record?.state !== record.state) {
			this.#tell('heartbeat', () => `"step":${JSON.stringify(this.#progress.latestStep)}`)
		}
	}

	async #write(record: RunRecord): Promise<void> {
		await writeRecord(this.path, record)
		this.#record = record
		this.#recordWrittenMs = Date.parse(record.lastHeardAt)
	}

	/** Adds what does not stand at the end of the file already; false when nothing was new. */
	async #append(entries: readonly Entry[], to: Destination): Promise<boolean> {
		const { file } = to
		for (let attempt = 0; attempt < 3; attempt++) {
			const fresh = to.mayRepeat() ? await to.repeats.dropFrom(entries, to) : entries
			if (fresh.length === 0) return false
			const appended = await file.append(fresh.map(({ line }) => line))
			if (appended === 'unread') to.repeats.forget()
			if (appended === 'read') to.take(fresh, file.lineCount - fresh.length + 1)
			else await this.#read()
			if (appended !== 'unread') return true
		}
		throw new Error('the file is replaced again and again')
	}

	async #makeDirectory(): Promise<void> {
		await this.#expectRoot()
		if (!(await lstat(this.path).catch(() => null))?.isDirectory()) {
			await mkdir(this.path).catch(async (error: unknown) => {
				if (errorCode(error) !== 'EEXIST') throw error
				if ((await lstat(this.path)).isDirectory()) return
				throw new Fault(
					'conflict',
					`The name '${this.name}' is taken by something that is not a run.`,
				)
			})
			await syncDirectory(dirname(this.path))
			// What was in the one before is not in this one.
			this.#recordWrittenMs = 0
		}
		this.#hasDirectory = true
	}

	/** Reads on in all files and tells what is new. */
	async #read(): Promise<void> {
		await this.#readRecord()
		const heard = Date.parse(this.#record?.lastHeardAt ?? '')
		this.#lastHeardMs = Math.max(this.#lastHeardMs, Number.isNaN(heard) ? 0 : heard)
		await this.#readTrainerState()
		let toldStep = Number.NEGATIVE_INFINITY
		for await (const { isRestart, lines } of this.#metrics.readNew()) {
			if (isRestart) {
				// An upload brings the whole file again.
				toldStep = this.#progress.latestStep
				this.#progress = NO_PROGRESS
			}
			this.#takeMetrics(toEntries(lines), toldStep)
		}
		for await (const { isRestart, firstNumber, lines } of this.#events.readNew()) {
			if (isRestart) this.#endsInError = false
			this.#takeEvents(lines.map(parseObject), firstNumber)
		}
		for await (const { lines } of this.#samples.readNew()) this.#takeSamples(toEntries(lines))
		if (this.#record === null) this.#hearFiles()
		this.#isKnown = true
		this.#readMs = performance.now()
	}

	/** Hugging Face's Trainer writes all that it has logged anew with each checkpoint. */
	async #readTrainerState(): Promise<void> {
		const state = this.#trainerState()
		if (state === this.#stateRead) return
		this.#stateRead = state
		const toldStep = this.#progress.latestStep
		this.#progress = NO_PROGRESS
		if (state === null) return
		const points = (await readTrainerPoints(state)).filter(
			(point) => this.#follow(point) && this.#progress.latestStep > toldStep,
		)
		if (points.length > 0) this.#tell('metrics', () => `"metrics":${JSON.stringify(points)}`)
	}

	/** Takes lines of metrics into account; those up to `toldStep` have been told before. */
	#takeMetrics(entries: readonly Entry[], toldStep = Number.NEGATIVE_INFINITY): void {
		const told = entries.filter(
			({ value }) => this.#follow(value) && this.#progress.latestStep > toldStep,
		)
		if (told.length === 0) return
		this.#tell('metrics', () => `"metrics":[${told.map(({ line }) => line).join(',')}]`)
	}

	/** Takes lines of events into account, null for one that is none; the first is the `firstNumber`-th. */
	#takeEvents(events: readonly (JsonObject | null)[], firstNumber: number): void {
		for (const [i, event] of events.entries()) {
			if (event === null) continue
			this.#endsInError = event['level'] === 'error'
			this.#tell('event', () => `"event":${JSON.stringify(toEventRow(event, firstNumber + i))}`)
		}
	}

	#takeSamples(sets: readonly Entry[]): void {
		for (const { value } of sets) this.#tell('samples', () => fieldsOf(value))
	}

	async #readRecord(): Promise<void> {
		const identity = await recordIdentity(this.path)
		const isKnownToLack = identity === null && this.#record === null && this.#isKnown
		if (identity === this.#recordIdentity && (identity !== null || isKnownToLack)) return
		this.#record = await readRecord(this.path)
		this.#recordIdentity = identity
	}

	/** Of a run that does not report, the files tell when it was at work. */
	#hearFiles(): void {
		const changes = [this.#metrics, this.#events, this.#samples].map(({ changedMs }) => changedMs)
		this.#lastHeardMs = Math.max(this.#lastHeardMs, ...changes)
	}

	/** False for what is no point of metrics. */
	#follow(point: JsonObject): boolean {
		const { step } = point
		if (typeof step !== 'number') return false
		const { bestValLoss, metricCount } = this.#progress
		const valLoss = numberOrNull(point['valLoss'] ?? point['val_loss'])
		// A loss of null is told, too: the training has diverged.
		const hasLoss = valLoss !== null || 'loss' in point
		this.#progress = {
			latestStep: step,
			lastLoss: hasLoss ? (valLoss ?? numberOrNull(point['loss'])) : this.#progress.lastLoss,
			bestValLoss: bestValLoss === null ? valLoss : Math.min(bestValLoss, valLoss ?? bestValLoss),
			metricCount: metricCount + 1,
			lastPoint: point,
		}
		return true
	}

	#tell(type: News['type'], fields: () => string): void {
		if (!this.#isKnown) return
		const runId = this.#record?.runId ?? this.name
		this.#publish(() => ({ run: this.name, runId, type, fields: fields() }))
	}
}

function emptyRecord(runId: string, nowMs: number): RunRecord {
	const now = new Date(nowMs).toISOString()
	return {
		runId,
		state: 'active',
		domain: null,
		startedAt: now,
		lastHeardAt: now,
		finalStep: null,
		totalParams: null,
		machine: {},
		modelConfig: {},
		trainConfig: {},
	}
}

/** The inside of an object's JSON. */
function fieldsOf(value: JsonObject): string {
	return JSON.stringify(value).slice(1, -1)
}
