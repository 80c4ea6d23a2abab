/*
 * The engine as the main thread sees it: load a model, generate, embed. All decoding happens in the
 * worker; this file passes messages and keeps count of what is under way.
 */
import { assertNever } from '../lib/assert.ts'
import { Fault } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import type { GenerationRequest } from './generation.ts'
import { GenerationStream } from './generation-stream.ts'
import {
	decodeStep,
	type FromWorker,
	type LoadModel,
	type RunnerLimits,
	type StepReport,
	type ToWorker,
} from './messages.ts'
import { type EngineStats, readStats, STATS_FIELDS } from './stats.ts'

export interface EngineOptions {
	/** Freshly spawned `worker.ts`: only the composition root spawns workers. */
	readonly worker: Worker
	readonly libraryPath: string
	/** '' = the best instruction set that runs here. */
	readonly isa: string
	readonly threads: number
	readonly limits: RunnerLimits
	/** Choices that may wait beyond those that run; more are refused with 503. */
	readonly queueLengthMax: number
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

/** Share of the newest request in the running mean of request durations. */
const DURATION_SMOOTHING = 0.1
const RETRY_SECONDS_MAX = 60
/** Assumed for a request before the first one has ended. */
const FIRST_REQUEST_SECONDS = 1

export class Engine {
	readonly #options: EngineOptions
	readonly #inbox = new Int32Array(new SharedArrayBuffer(4))
	readonly #stats = new Float64Array(new SharedArrayBuffer(8 * STATS_FIELDS.length))
	readonly #streams = new Map<number, GenerationStream>()
	readonly #embeddings = new Map<number, PendingEmbedding>()
	readonly #loads = new Map<number, PendingLoad>()
	readonly #unloads = new Map<number, () => void>()
	#lastId = 0
	/** Choices submitted and not ended. */
	#choicesUnderWay = 0
	#meanRequestSeconds = FIRST_REQUEST_SECONDS
	#failure: Error | null = null
	readonly #failed = Promise.withResolvers<Error>()

	private constructor(options: EngineOptions) {
		this.#options = options
	}

	/** Starts the worker. Rejects when it cannot open the kernel library. */
	static async start(options: EngineOptions): Promise<Engine> {
		const engine = new Engine(options)
		await new Promise<void>((resolve, reject) => {
			options.worker.addEventListener('error', (event) => {
				const error = new Fault('bug', `engine worker failed: ${event.message}`)
				reject(error)
				engine.#fail(error)
				engine.#failed.resolve(error)
			})
			options.worker.addEventListener('message', (event: MessageEvent<FromWorker>) => {
				if (event.data.type === 'ready') resolve()
				else engine.#receive(event.data)
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

	/** Resolves when the worker has died: nothing will be generated any more. */
	get failed(): Promise<Error> {
		return this.#failed.promise
	}

	get stats(): EngineStats {
		return readStats(this.#stats)
	}

	/** Hands packed weights to the worker; resolves to the key by which requests name the model. */
	async load(model: Omit<LoadModel, 'modelKey' | 'limits'>): Promise<number> {
		if (this.#failure) throw this.#failure
		const modelKey = ++this.#lastId
		await new Promise<void>((resolve, reject) => {
			this.#loads.set(modelKey, { resolve, reject })
			this.#post({ type: 'load', modelKey, limits: this.#options.limits, ...model })
		})
		return modelKey
	}

	/** Frees a model of which no request is under way. */
	async unload(modelKey: number): Promise<void> {
		if (this.#failure) return
		await new Promise<void>((resolve) => {
			this.#unloads.set(modelKey, resolve)
			this.#post({ type: 'unload', modelKey })
		})
	}

	/**
	 * Starts a request, of which nothing is checked: what reads a prompt knows its field. Throws Fault
	 * `overloaded` when the queue is full.
	 */
	generate(modelKey: number, request: GenerationRequest, signal?: AbortSignal): GenerationStream {
		this.#admit(request.n)
		const requestId = ++this.#lastId
		const startedAt = performance.now()
		const onAbort = () => stream.abort()
		const stream = new GenerationStream(request.n, {
			stopChoice: (choice) => this.#post({ type: 'stop-choice', requestId, modelKey, choice }),
			allow: (choice, mask) => this.#post({ type: 'allow', requestId, modelKey, choice, mask }),
			abort: () => this.#post({ type: 'abort', requestId, modelKey }),
			ended: () => {
				signal?.removeEventListener('abort', onAbort)
				this.#streams.delete(requestId)
				this.#release(request.n, startedAt)
			},
		})
		this.#streams.set(requestId, stream)
		this.#post({ type: 'submit', requestId, modelKey, request })
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
		this.#admit(1)
		const requestId = ++this.#lastId
		const startedAt = performance.now()
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
			this.#release(1, startedAt)
		}
	}

	/** Ends everything that runs and stops the worker. */
	close(): void {
		this.#fail(new Fault('shutting-down', 'The server is shutting down.', { retrySeconds: 1 }))
		this.#options.worker.terminate()
	}

	#admit(choices: number): void {
		if (this.#failure) throw this.#failure
		const { limits, queueLengthMax } = this.#options
		// Memory for keys and values may hold fewer than `sequencesMax`, several models may hold more.
		const { running, withoutRoom } = this.stats
		const places = withoutRoom > 0 ? Math.max(running, 1) : Math.max(running, limits.sequencesMax)
		const waiting = this.#choicesUnderWay - places
		if (waiting + choices > queueLengthMax) {
			const seconds = Math.ceil((this.#meanRequestSeconds * waiting) / places)
			const retrySeconds = Math.min(Math.max(seconds, 1), RETRY_SECONDS_MAX)
			const message = `The server is overloaded: ${Math.max(0, waiting)} requests are waiting.`
			throw new Fault('overloaded', message, { retrySeconds })
		}
		this.#choicesUnderWay += choices
	}

	#release(choices: number, startedAt: number): void {
		this.#choicesUnderWay -= choices
		const seconds = (performance.now() - startedAt) / 1000
		this.#meanRequestSeconds += DURATION_SMOOTHING * (seconds - this.#meanRequestSeconds)
	}

	#post(message: ToWorker): void {
		this.#options.worker.postMessage(message)
		Atomics.add(this.#inbox, 0, 1)
	}

	#receive(message: Exclude<FromWorker, { type: 'ready' }>): void {
		switch (message.type) {
			case 'steps':
				for (const step of message.steps) this.#deliver(decodeStep(step))
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

	#deliver({ prompts, tokens, finishes, embeddings }: StepReport): void {
		for (const { requestId, promptTokens, cachedTokens, logprobs } of prompts) {
			const event = { type: 'prompt', promptTokens, cachedTokens } as const
			this.#streams.get(requestId)?.push(logprobs ? { ...event, logprobs } : event)
		}
		for (const { requestId, choice, tokenId, logprob } of tokens) {
			const event = { type: 'token', choice, tokenId } as const
			this.#streams.get(requestId)?.push(logprob ? { ...event, logprob } : event)
		}
		for (const { requestId, choice, finishReason, stopToken } of finishes) {
			const event = { type: 'finish', choice, finishReason } as const
			this.#streams.get(requestId)?.push(stopToken ? { ...event, stopToken } : event)
		}
		for (const { requestId, mean } of embeddings) {
			this.#embeddings.get(requestId)?.resolve(mean)
		}
	}

	#fail(error: Error): void {
		this.#failure = error
		for (const stream of [...this.#streams.values()]) stream.fail(error)
		for (const embedding of [...this.#embeddings.values()]) embedding.reject(error)
		for (const load of this.#loads.values()) load.reject(error)
		for (const unloaded of this.#unloads.values()) unloaded()
	}
}
