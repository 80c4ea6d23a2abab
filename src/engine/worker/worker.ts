/*
 * The engine's thread: owns all decoding. Receives messages between steps, gives every model with
 * work one step in turn, and posts what each step produced. Sleeps on its event loop when idle.
 */
import { type Kernels, openKernels } from '../../kernels/binding.ts'
import { assert, assertNever } from '../../lib/assert.ts'
import { stackOf } from '../../lib/errors.ts'
import {
	ACTIVITIES,
	type Activity,
	encodeSteps,
	type FromWorker,
	INBOX_LENGTH,
	type StepReport,
	type ToWorker,
} from '../messages.ts'
import { addStats, STATS_FIELDS } from '../stats.ts'
import { ModelRunner } from './model-runner.ts'

declare const self: {
	onmessage: ((event: MessageEvent<ToWorker>) => void) | null
	postMessage(message: FromWorker): void
}

/**
 * Tokens of a fast model are told together: waking the main thread, its socket and the client for each
 * takes processors from the computation. A screen shows a new picture every 16 ms at most.
 */
const GATHER_MS = 8
/** A report of many streams is much work anyway: waking costs little beside it, and their steps take longer. */
const CROWD_GATHER_MS = 6
const CROWD_STREAMS = 8
/** The same where a first token is among them and the main thread is behind: of a crowd somebody begins in each step. */
const FIRST_GATHER_MS = 2

/** Reports under way to the main thread: one is read while the next lies ready. */
const UNREAD_REPORTS_MAX = 2

/**
 * Tokens of one report, which take the main thread some milliseconds to write out; one with
 * log-probabilities is as much work as several. So far the engine runs ahead of a busy main thread.
 */
const REPORT_TOKENS_MAX = 1024
const SCORED_TOKEN_WEIGHT = 8
/** A message that is sent just before the sleep does not end it. */
const SLEEP_MS_MAX = 1

/** After so long without work the engine gives memory back: what a crowd took, then nearly all. */
const PAUSE_REST_MS = 2_000
const REST_MS = 45_000

class EngineWorker {
	#kernels: Kernels | null = null
	#inbox: Int32Array = new Int32Array(INBOX_LENGTH)
	#stats: Float64Array = new Float64Array(STATS_FIELDS.length)
	/** By model key. */
	readonly #modelStats = new Map<number, Float64Array>()
	#received = 0
	readonly #runners = new Map<number, ModelRunner>()
	/** Counters of models that are no longer loaded. */
	readonly #past = new Float64Array(STATS_FIELDS.length)
	#isRunning = false
	/** Somebody has come since the last step, who shall not wait until the main thread has written out what others have. */
	#hasNewcomer = false
	/** Steps that the main thread has not been told. */
	#untold: StepReport[] = []
	/** Tokens of them, by weight. */
	#untoldTokens = 0
	/** A first token is among them. */
	#hasUntoldFirst = false
	#toldAt = 0
	#resting: Timer | null = null
	/** Reports sent; around at 2^31 as the main thread's counter of those it has read. */
	#reports = 0

	receive(message: ToWorker): void {
		// The shared counter is an int32, which overflows in the same way.
		this.#received = (this.#received + 1) | 0
		this.#note('reading messages')
		switch (message.type) {
			case 'start': {
				const kernels = openKernels(message.libraryPath)
				assert(kernels.select(message.isa) === 0, 'the instruction set was checked before')
				if (kernels.threadsSet(message.threads) !== 0) {
					throw new Error(`the system refused to start ${message.threads} compute threads`)
				}
				this.#kernels = kernels
				this.#inbox = new Int32Array(message.inbox)
				this.#stats = new Float64Array(message.stats)
				this.#restLater()
				post({ type: 'ready', thread: kernels.watchThread() })
				return
			}
			case 'ping':
				post({ type: 'pong' })
				return
			case 'load':
				this.#load(message)
				return
			case 'unload':
				this.#unload(message.modelKey)
				return
			case 'submit':
				this.#hasNewcomer = true
				this.#attempt(message, (runner) => {
					runner.submit(message.requestId, message.request, message.goesFirst)
				})
				break
			case 'embed':
				this.#attempt(message, (runner) => {
					runner.submitEmbedding(message.requestId, message.request)
				})
				break
			case 'rows':
				this.#runners.get(message.modelKey)?.addRows(message.rows)
				break
			case 'forget-rows':
				this.#runners.get(message.modelKey)?.forgetRows()
				break
			case 'move-to':
				this.#attempt(message, (runner) => {
					runner.moveTo(message.requestId, message.choice, message.stateId)
				})
				break
			case 'stop-choice':
				this.#runners.get(message.modelKey)?.abort(message.requestId, message.choice)
				break
			case 'abort':
				this.#runners.get(message.modelKey)?.abort(message.requestId)
				break
			case 'park':
				this.#runners.get(message.modelKey)?.park(message.requestId)
				break
			case 'resume':
				this.#runners.get(message.modelKey)?.resume(message.requestId)
				break
			default:
				assertNever(message)
		}
		this.#writeStats()
		void this.#run()
	}

	/** A fault in one request's message is that request's alone. */
	#attempt(
		{ requestId, modelKey }: { readonly requestId: number; readonly modelKey: number },
		action: (runner: ModelRunner) => void,
	): void {
		const runner = this.#runners.get(modelKey)
		try {
			assert(runner, 'requests are for loaded models')
			action(runner)
		} catch (error) {
			runner?.abort(requestId)
			post({ type: 'failure', requestIds: [requestId], message: stackOf(error) })
		}
	}

	#load(message: ToWorker & { type: 'load' }): void {
		const { modelKey } = message
		this.#note('loading a model')
		try {
			assert(this.#kernels, 'the engine has started')
			this.#runners.set(
				modelKey,
				new ModelRunner(
					this.#kernels,
					message,
					(activity, rows) => this.#note(activity, rows),
					[...this.#runners.values()].some((runner) => runner.hasSequences),
				),
			)
			this.#modelStats.set(modelKey, new Float64Array(message.stats))
			this.#writeStats()
			post({ type: 'loaded', modelKey })
		} catch (error) {
			post({ type: 'load-failed', modelKey, message: stackOf(error) })
		}
	}

	#unload(modelKey: number): void {
		const runner = this.#runners.get(modelKey)
		if (!runner) return
		this.#modelStats.delete(modelKey)
		addStats(this.#past, {
			...runner.stats,
			running: 0,
			waiting: 0,
			withoutRoom: 0,
			kvBlocksUsed: 0,
			kvBlocksTotal: 0,
		})
		this.#runners.delete(modelKey)
		this.#writeStats()
		// Weights are shared memory that only a collection gives back, and a budget counts on it.
		Bun.gc(true)
		post({ type: 'unloaded', modelKey })
	}

	async #run(): Promise<void> {
		if (this.#isRunning) return
		this.#isRunning = true
		clearTimeout(this.#resting ?? undefined)
		while (this.#stepAll()) {
			await this.#readMessages()
			while (this.#isLarge && !this.#mayTell && !this.#hasNewcomer) {
				this.#awaitMainThread()
				await this.#readMessages()
			}
		}
		this.#tellSteps()
		this.#isRunning = false
		this.#note('waiting')
		this.#restLater()
	}

	/** Messages are handled by the event loop, so it turns whenever one is under way. */
	async #readMessages(): Promise<void> {
		while (Atomics.load(this.#inbox, 0) !== this.#received) await eventLoopTurn()
	}

	/** Sleeps until the main thread has read a report or sent a message. */
	#awaitMainThread(): void {
		const read = Atomics.load(this.#inbox, 2)
		if (!this.#mayTell) Atomics.wait(this.#inbox, 2, read, SLEEP_MS_MAX)
	}

	#restLater(): void {
		this.#resting = setTimeout(() => {
			for (const runner of this.#runners.values()) runner.pause()
			this.#resting = setTimeout(() => this.#rest(), REST_MS - PAUSE_REST_MS)
		}, PAUSE_REST_MS)
	}

	/** Gives back memory that work has left behind. */
	#rest(): void {
		for (const runner of this.#runners.values()) runner.rest()
		Bun.gc(true)
		// Last: the collection's own code goes, too.
		this.#kernels?.releaseProgram()
	}

	/** One step of every model that has work, in turn; false when none could run. */
	#stepAll(): boolean {
		this.#hasNewcomer = false
		const busy = [...this.#runners.values()].filter((runner) => runner.hasSequences)
		let hasRun = false
		for (const runner of busy) {
			try {
				const startedAt = performance.now()
				const report = runner.step(busy.length > 1)
				if (!report) continue
				hasRun = true
				if (report.goesFirst) {
					post({ type: 'steps', steps: encodeSteps([report]), goesFirst: true })
					continue
				}
				this.#untold.push(report)
				for (const { logprob } of report.tokens) {
					this.#untoldTokens += logprob === null ? 1 : SCORED_TOKEN_WEIGHT
				}
				this.#hasUntoldFirst ||= report.prompts.length > 0
				const now = performance.now()
				const gatheredMs = now - this.#toldAt
				// The next step, should it take as long as this one, would end too late.
				const isDue = gatheredMs + now - startedAt > this.#gatherMs
				const isWanted = isDue || this.#isLarge || report.isUrgent
				const isAwaited = this.#hasUntoldFirst && gatheredMs >= FIRST_GATHER_MS
				if ((isWanted && this.#mayTell) || isAwaited) this.#tellSteps()
			} catch (error) {
				post({ type: 'failure', requestIds: runner.abortAll(), message: stackOf(error) })
			}
		}
		if (hasRun) this.#writeStats()
		return hasRun
	}

	#tellSteps(): void {
		if (this.#untold.length === 0) return
		post({ type: 'steps', steps: encodeSteps(this.#untold), goesFirst: false })
		this.#reports = (this.#reports + 1) | 0
		this.#untold = []
		this.#untoldTokens = 0
		this.#hasUntoldFirst = false
		this.#toldAt = performance.now()
	}

	get #gatherMs(): number {
		let running = 0
		for (const { runningCount } of this.#runners.values()) running += runningCount
		return running < CROWD_STREAMS ? GATHER_MS : CROWD_GATHER_MS
	}

	get #isLarge(): boolean {
		return this.#untoldTokens >= REPORT_TOKENS_MAX
	}

	/** Reports go before sockets on the main thread: more of them than it can read would starve these. */
	get #mayTell(): boolean {
		const unread = (this.#reports - Atomics.load(this.#inbox, 2)) | 0
		return unread < UNREAD_REPORTS_MAX
	}

	/** For who watches this thread. */
	#note(activity: Activity, rows?: number): void {
		Atomics.store(this.#inbox, 1, ACTIVITIES.indexOf(activity))
		if (rows !== undefined) Atomics.store(this.#inbox, 3, rows)
	}

	#writeStats(): void {
		const totals = this.#past.slice()
		for (const [modelKey, { stats }] of this.#runners) {
			addStats(totals, stats)
			const shared = this.#modelStats.get(modelKey)
			for (const [i, field] of STATS_FIELDS.entries()) if (shared) shared[i] = stats[field]
		}
		this.#stats.set(totals)
	}
}

function eventLoopTurn(): Promise<void> {
	return new Promise((resolve) => setImmediate(resolve))
}

function post(message: FromWorker): void {
	self.postMessage(message)
}

const worker = new EngineWorker()
self.onmessage = (event) => worker.receive(event.data)
