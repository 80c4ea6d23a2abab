/*
 * The engine as the main thread sees it: load a model, generate, embed. All decoding happens in the
 * worker; this file passes messages and keeps count of what is under way.
 */
import type { Kernels } from '../kernels/binding.ts'
import { threadState } from '../kernels/thread-stack.ts'
import { assert, assertNever } from '../lib/assert.ts'
import { Fault } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import { Backlog } from './backlog.ts'
import type { GenerationRequest, TokenEvent } from './generation.ts'
import { type GenerationControl, GenerationStream } from './generation-stream.ts'
import {
	ACTIVITIES,
	decodeSteps,
	type FromWorker,
	INBOX_LENGTH,
	type LoadModel,
	type RunnerLimits,
	type ToWorker,
} from './messages.ts'
import { PlaceQueue, type Refusal, type Waiter } from './place-queue.ts'
import { ReaderTurns } from './reader-turns.ts'
import { RowSender } from './row-sender.ts'
import { type EngineStats, readStats, STATS_FIELDS, type WorkerStats } from './stats.ts'

export interface EngineOptions {
	/** Freshly spawned `worker.ts`: only the composition root spawns workers. */
	readonly worker: Worker
	readonly kernels: Kernels
	readonly libraryPath: string
	/** '' = the best instruction set that runs here. */
	readonly isa: string
	readonly threads: number
	readonly limits: RunnerLimits
	/** Choices that may wait for a place on a model; more are refused. */
	readonly queueLengthMax: number
	/** Longest time that a request may wait for a place, in milliseconds. */
	readonly queueMsMax: number
	/** What events that nobody has read may take of all streams together. */
	readonly backlogBytesMax?: number
	/** How often a busy worker is asked for a sign of life, in milliseconds. */
	readonly watchMs?: number
	readonly log: Log
}

interface PendingEmbedding {
	resolve(mean: Float32Array): void
	reject(error: unknown): void
}

interface PendingLoad {
	resolve(): void
	reject(error: Error): void
}

/** Places on a model, held until they are given back. */
export interface Places extends Disposable {
	/** The client held no others when it got them. */
	readonly areOnly: boolean
	/** Gives some of them back; disposing gives back the rest. */
	release(choices: number): void
	/** Takes back what was given back for a while. */
	retake(choices: number): void
}

/** Who asks for places. */
export interface PlaceRequest {
	readonly choices: number
	/** Whose turns are taken: an API key or an address. */
	readonly client: string
	readonly signal?: AbortSignal | undefined
}

/** What events that nobody has read may take of all streams together. */
const BACKLOG_BYTES_MAX = 64 * 2 ** 20
/** How often the watchdog looks at the worker by default, and how many looks it waits for an answer. */
const WATCH_MS = 1000
const LOOKS_MAX = 10
/** The same while it loads a model, whose kernels are measured with all of its weights. */
const LOADING_LOOKS_MAX = 60
/** How often it is looked whether somebody has waited too long. */
const EXPIRY_MS = 100

export class Engine {
	readonly #options: EngineOptions
	/** Messages sent, what the worker is doing, reports that were read, and rows of the last step. */
	readonly #inbox = new Int32Array(new SharedArrayBuffer(4 * INBOX_LENGTH))
	readonly #stats = new Float64Array(new SharedArrayBuffer(8 * STATS_FIELDS.length))
	/** By model key. */
	readonly #modelStats = new Map<number, Float64Array>()
	readonly #streams = new Map<number, GenerationStream>()
	readonly #readers = new ReaderTurns()
	readonly #rows = new RowSender((message) => this.#post(message))
	readonly #embeddings = new Map<number, PendingEmbedding>()
	readonly #loads = new Map<number, PendingLoad>()
	readonly #unloads = new Map<number, () => void>()
	#lastId = 0
	/** The worker's, as the kernels number it. */
	#thread = -1
	readonly #backlog: Backlog
	/** By model key. */
	readonly #queues = new Map<number, PlaceQueue>()
	#expiryTimer: ReturnType<typeof setInterval> | null = null
	#failure: Error | null = null
	readonly #failed = Promise.withResolvers<Error>()
	readonly #watchdog: ReturnType<typeof setInterval>
	/** Looks of the watchdog since it asked the worker for a sign of life; 0 = it has answered. */
	#looksUnanswered = 0

	private constructor(options: EngineOptions) {
		this.#options = options
		this.#backlog = new Backlog(options.backlogBytesMax ?? BACKLOG_BYTES_MAX, (bytes) =>
			options.log('warn', 'a stream that nobody reads was cut', { unreadBytes: bytes }),
		)
		this.#watchdog = setInterval(() => this.#watch(), options.watchMs ?? WATCH_MS)
		this.#watchdog.unref()
	}

	/** Starts the worker. Rejects when it cannot open the kernel library. */
	static async start(options: EngineOptions): Promise<Engine> {
		const engine = new Engine(options)
		await new Promise<void>((resolve, reject) => {
			options.worker.addEventListener('error', (event) => {
				const error = new Fault('bug', `engine worker failed: ${event.message}`)
				reject(error)
				engine.#die(error)
			})
			options.worker.addEventListener('message', (event: MessageEvent<FromWorker>) => {
				if (event.data.type === 'ready') {
					engine.#thread = event.data.thread
					resolve()
				} else engine.#receive(event.data)
			})
			engine.#post({
				type: 'start',
				libraryPath: options.libraryPath,
				isa: options.isa,
				threads: options.threads,
				inbox: engine.#inbox.buffer as SharedArrayBuffer,
				stats: engine.#stats.buffer as SharedArrayBuffer,
			})
		})
		return engine
	}

	/** Resolves when the worker has died or hangs: nothing will be generated any more. */
	get failed(): Promise<Error> {
		return this.#failed.promise
	}

	get stats(): EngineStats {
		const stats = readStats(this.#stats)
		let waiting = 0
		for (const queue of this.#queues.values()) waiting += queue.waiting
		const { bytes, parkedTotal, cutTotal } = this.#backlog
		return {
			...stats,
			waiting: stats.waiting + waiting,
			unreadBytes: bytes,
			parkedTotal,
			cutTotal,
		}
	}

	/** Counters of one model; undefined when it is not loaded. */
	modelStats(modelKey: number): WorkerStats | undefined {
		const shared = this.#modelStats.get(modelKey)
		if (shared === undefined) return undefined
		const stats = readStats(shared)
		return { ...stats, waiting: stats.waiting + (this.#queues.get(modelKey)?.waiting ?? 0) }
	}

	/** Hands packed weights to the worker; resolves to the key by which requests name the model. */
	async load(model: Omit<LoadModel, 'modelKey' | 'limits'>): Promise<number> {
		if (this.#failure) throw this.#failure
		const modelKey = ++this.#lastId
		const stats = new SharedArrayBuffer(8 * STATS_FIELDS.length)
		await new Promise<void>((resolve, reject) => {
			this.#loads.set(modelKey, { resolve, reject })
			this.#post({ type: 'load', modelKey, stats, limits: this.#options.limits, ...model })
		})
		this.#modelStats.set(modelKey, new Float64Array(stats))
		this.#queues.set(modelKey, this.#createQueue())
		return modelKey
	}

	/** Frees a model of which no request is under way. */
	async unload(modelKey: number): Promise<void> {
		if (this.#failure) return
		this.#queues.delete(modelKey)
		this.#modelStats.delete(modelKey)
		this.#rows.forgetModel(modelKey)
		await new Promise<void>((resolve) => {
			this.#unloads.set(modelKey, resolve)
			this.#post({ type: 'unload', modelKey })
		})
	}

	/**
	 * Waits for places on a model. Rejects with Fault `overloaded` when that takes too long or would,
	 * and with the signal's reason.
	 */
	async enter(modelKey: number, { choices, client, signal }: PlaceRequest): Promise<Places> {
		if (this.#failure) throw this.#failure
		signal?.throwIfAborted()
		const queue = this.#queueOf(modelKey)
		const admission = Promise.withResolvers<boolean>()
		const waiter: Waiter = {
			client,
			choices,
			admit: admission.resolve,
			refuse: admission.reject,
		}
		const onAbort = () => {
			queue.leave(waiter)
			admission.reject(signal?.reason)
		}
		queue.enter(waiter, performance.now())
		if (queue.waiting > 0) this.#watchExpiry()
		signal?.addEventListener('abort', onAbort)
		let areOnly: boolean
		try {
			areOnly = await admission.promise
		} finally {
			signal?.removeEventListener('abort', onAbort)
		}
		let held = choices
		const release = (count: number) => {
			const given = Math.min(count, held)
			if (given === 0) return
			held -= given
			queue.release(client, given, performance.now())
			queue.admit()
		}
		const retake = (count: number) => {
			held += count
			queue.retake(client, count)
		}
		return { areOnly, release, retake, [Symbol.dispose]: () => release(held) }
	}

	/**
	 * Why a request of this client would be refused whatever is in it; null when it may enter. With
	 * several models in memory only the request itself says how long it would wait.
	 */
	refusalFor(client: string): Refusal | null {
		const [queue, ...others] = this.#queues.values()
		if (queue === undefined || others.length > 0) return null
		return queue.refusalFor(client, 1, performance.now())
	}

	/**
	 * Starts a request, of which nothing is checked: what reads a prompt knows its field. Gives back
	 * its part of `places` when it has ended in the engine, whoever still reads.
	 */
	generate(
		modelKey: number,
		request: GenerationRequest,
		signal?: AbortSignal,
		places?: Places,
	): GenerationStream {
		if (this.#failure) throw this.#failure
		const requestId = ++this.#lastId
		const onAbort = () => stream.abort()
		let parked = 0
		const control: GenerationControl = {
			stopChoice: (choice) => this.#post({ type: 'stop-choice', requestId, modelKey, choice }),
			moveTo: (choice, state) => {
				const isSent = this.#rows.moveTo({ requestId, modelKey, choice }, state)
				isSent.catch((error) => {
					this.#post({ type: 'abort', requestId, modelKey })
					stream.fail(error)
				})
			},
			abort: () => this.#post({ type: 'abort', requestId, modelKey }),
			park: (choices) => {
				parked = choices
				this.#post({ type: 'park', requestId, modelKey })
				places?.release(parked)
			},
			resume: () => {
				places?.retake(parked)
				parked = 0
				this.#post({ type: 'resume', requestId, modelKey })
			},
			ended: () => {
				signal?.removeEventListener('abort', onAbort)
				this.#streams.delete(requestId)
				places?.release(request.n - parked)
				this.#rows.forgetRequest(requestId)
			},
		}
		const stream = new GenerationStream(request.n, control, this.#backlog)
		this.#streams.set(requestId, stream)
		const goesFirst = places?.areOnly ?? false
		this.#post({ type: 'submit', requestId, modelKey, request, goesFirst })
		if (signal?.aborted) stream.abort()
		else signal?.addEventListener('abort', onAbort)
		return stream
	}

	/** Mean of the final hidden states over the tokens, [nEmbd]. */
	async embed(
		modelKey: number,
		request: GenerationRequest,
		signal?: AbortSignal,
	): Promise<Float32Array> {
		if (this.#failure) throw this.#failure
		const requestId = ++this.#lastId
		const onAbort = () => {
			this.#post({ type: 'abort', requestId, modelKey })
			this.#embeddings.get(requestId)?.reject(signal?.reason)
		}
		try {
			return await new Promise<Float32Array>((resolve, reject) => {
				this.#embeddings.set(requestId, { resolve, reject })
				this.#post({ type: 'embed', requestId, modelKey, request })
				signal?.addEventListener('abort', onAbort)
				if (signal?.aborted) onAbort()
			})
		} finally {
			signal?.removeEventListener('abort', onAbort)
			this.#embeddings.delete(requestId)
		}
	}

	/** Ends everything that runs and stops the worker. */
	close(): void {
		this.#fail(new Fault('shutting-down', 'The server is shutting down.', { retrySeconds: 1 }))
		this.#options.worker.terminate()
	}

	/**
	 * Asks a busy worker for a sign of life. Looks are counted and not seconds, so that a process that
	 * was stopped for a while does not blame its worker.
	 */
	#watch(): void {
		if (this.#failure || (this.#looksUnanswered === 0 && !this.#isBusy)) return
		this.#looksUnanswered++
		if (this.#looksUnanswered === 1) this.#post({ type: 'ping' })
		const activity = ACTIVITIES[Atomics.load(this.#inbox, 1)]
		const looksMax = activity === 'loading a model' ? LOADING_LOOKS_MAX : LOOKS_MAX
		if (this.#looksUnanswered <= looksMax) return
		this.#reportHang()
		const seconds = (looksMax * (this.#options.watchMs ?? WATCH_MS)) / 1000
		this.#die(new Fault('bug', `engine worker hangs: ${activity} for ${seconds} s`))
	}

	/** What is known first: looking into a thread that is broken may end the process. */
	#reportHang(): void {
		const { kernels, libraryPath, log } = this.#options
		const { running, waiting, stepsTotal } = this.stats
		const rows = Atomics.load(this.#inbox, 3)
		log('error', 'the engine worker hangs', { running, waiting, stepsTotal, rowsOfLastStep: rows })
		const state = threadState(kernels, libraryPath, this.#thread)
		log('error', 'where the engine worker is', { ...state })
	}

	get #isBusy(): boolean {
		const { size } = this.#streams
		return size + this.#embeddings.size + this.#loads.size + this.#unloads.size > 0
	}

	#die(error: Fault): void {
		this.#fail(error)
		this.#failed.resolve(error)
	}

	#createQueue(): PlaceQueue {
		const { limits, queueLengthMax, queueMsMax } = this.#options
		return new PlaceQueue({
			placesMax: limits.sequencesMax,
			waitingMax: queueLengthMax,
			waitMsMax: queueMsMax,
			hasRoom: () => readStats(this.#stats).withoutRoom === 0,
		})
	}

	#queueOf(modelKey: number): PlaceQueue {
		const queue = this.#queues.get(modelKey)
		assert(queue, 'places are asked for on loaded models')
		return queue
	}

	/** Looks for those who have waited too long, as long as somebody waits. */
	#watchExpiry(): void {
		this.#expiryTimer ??= setInterval(() => {
			let waiting = 0
			for (const queue of this.#queues.values()) {
				queue.expire(performance.now())
				waiting += queue.waiting
			}
			if (waiting > 0 || this.#expiryTimer === null) return
			clearInterval(this.#expiryTimer)
			this.#expiryTimer = null
		}, EXPIRY_MS)
	}

	#post(message: ToWorker): void {
		this.#options.worker.postMessage(message)
		Atomics.add(this.#inbox, 0, 1)
		// It may sleep until reports are read.
		Atomics.notify(this.#inbox, 2)
	}

	#receive(message: Exclude<FromWorker, { type: 'ready' }>): void {
		switch (message.type) {
			case 'steps':
				this.#deliver(decodeSteps(message.steps))
				// Sockets are looked at between two turns only, and messages that are there already come first:
				// the worker hears that it may send more when they have had their turn.
				this.#readers.wake(() => {
					if (message.goesFirst) return
					Atomics.add(this.#inbox, 2, 1)
					Atomics.notify(this.#inbox, 2)
				})
				for (const queue of this.#queues.values()) if (queue.waiting > 0) queue.admit()
				return
			case 'pong':
				this.#looksUnanswered = 0
				return
			case 'loaded':
				this.#loads.get(message.modelKey)?.resolve()
				this.#loads.delete(message.modelKey)
				return
			case 'load-failed':
				this.#loads.get(message.modelKey)?.reject(new Error(message.message))
				this.#loads.delete(message.modelKey)
				return
			case 'unloaded':
				this.#unloads.get(message.modelKey)?.()
				this.#unloads.delete(message.modelKey)
				return
			case 'failure': {
				this.#options.log('error', `engine: ${message.message}`)
				const error = new Fault('bug', message.message)
				for (const requestId of message.requestIds) {
					this.#streams.get(requestId)?.fail(error)
					this.#embeddings.get(requestId)?.reject(error)
				}
				return
			}
			default:
				assertNever(message)
		}
	}

	#deliver({ prompts, tokens, finishes, embeddings }: ReturnType<typeof decodeSteps>): void {
		for (const { requestId, promptTokens, cachedTokens, logprobs } of prompts) {
			const event = { type: 'prompt', promptTokens, cachedTokens } as const
			this.#push(requestId, logprobs ? { ...event, logprobs } : event)
		}
		for (const { requestId, choice, tokenId, logprob } of tokens) {
			const event = { type: 'token', choice, tokenId } as const
			this.#push(requestId, logprob ? { ...event, logprob } : event)
		}
		for (const { requestId, choice, finishReason, stopToken } of finishes) {
			const event = { type: 'finish', choice, finishReason } as const
			this.#push(requestId, stopToken ? { ...event, stopToken } : event)
		}
		for (const { requestId, mean } of embeddings) {
			this.#embeddings.get(requestId)?.resolve(mean)
		}
	}

	#push(requestId: number, event: TokenEvent): void {
		const stream = this.#streams.get(requestId)
		if (stream === undefined) return
		stream.push(event)
		this.#readers.add(stream, event.type === 'prompt')
	}

	#fail(error: Error): void {
		this.#failure = error
		clearInterval(this.#watchdog)
		for (const queue of this.#queues.values()) queue.refuseAll(error)
		for (const stream of [...this.#streams.values()]) stream.fail(error)
		for (const embedding of [...this.#embeddings.values()]) embedding.reject(error)
		for (const load of this.#loads.values()) load.reject(error)
		for (const unloaded of this.#unloads.values()) unloaded()
	}
}
