/** One thread that reads checkpoints, as promises. */
import { assert, assertNever } from '../../lib/assert.ts'
import type { Chunked } from '../../lib/chunked-lists.ts'
import { Fault } from '../../lib/fault.ts'
import type { ExportReport } from '../exports/export-report.ts'
import type { CheckpointInfo, LoadedCheckpoint } from './checkpoint-info.ts'
import type { FromLoader, LoadRequest, ToLoader } from './messages.ts'

export interface LoaderThreadOptions {
	/** Makes the worker in `worker/worker.ts`; called again when one has died. */
	readonly spawn: () => Worker
	readonly libraryPath: string
	/** Instruction set of the kernels; '' = the best that runs here. */
	readonly isa: string
	/** Ends the thread when it has nothing to do, for the sake of its memory. */
	readonly endsWhenIdle: boolean
}

export type LoadResult = CheckpointInfo | Chunked<LoadedCheckpoint> | ExportReport

interface Job {
	readonly request: LoadRequest
	readonly signal: AbortSignal | undefined
	readonly resolve: (result: LoadResult) => void
	readonly reject: (error: unknown) => void
}

/** Order in which waiting requests are served: somebody waits for a model before anything else. */
const PRIORITY = ['load', 'verify', 'export', 'inspect'] as const

/**
 * Requests wait here, so that a load overtakes the inspections that a full directory causes; one is under
 * way at a time. The thread starts with the first one.
 */
export class LoaderThread {
	readonly #options: LoaderThreadOptions
	#worker: Worker | null = null
	readonly #waiting: Job[] = []
	#running: Job | null = null
	#requestId = 0

	constructor(options: LoaderThreadOptions) {
		this.#options = options
	}

	/**
	 * Rejects with Fault. When `signal` fires, a request that waits is taken back, and one under way rejects with
	 * the signal's reason as soon as it has ended: giving it up is left to the request itself.
	 */
	submit(request: LoadRequest, signal?: AbortSignal): Promise<LoadResult> {
		return new Promise((resolve, reject) => {
			signal?.throwIfAborted()
			const job = { request, signal, resolve, reject }
			signal?.addEventListener('abort', () => this.#takeBack(job), { once: true })
			this.#waiting.push(job)
			this.#next()
		})
	}

	/** Ends the thread; what is under way or waiting is rejected. */
	close(): void {
		for (const job of this.#waiting.splice(0)) job.reject(closedError())
		this.#endWorker(closedError())
	}

	#takeBack(job: Job): void {
		const at = this.#waiting.indexOf(job)
		if (at === -1) return
		this.#waiting.splice(at, 1)
		job.reject(job.signal?.reason)
	}

	#next(): void {
		if (this.#running !== null) return
		const job = PRIORITY.map((type) =>
			this.#waiting.find((each) => each.request.type === type),
		).find((found) => found !== undefined)
		if (job === undefined) {
			if (this.#options.endsWhenIdle) this.#endWorker(closedError())
			return
		}
		this.#waiting.splice(this.#waiting.indexOf(job), 1)
		this.#running = job
		this.#worker ??= this.#start()
		this.#post({ type: 'request', requestId: ++this.#requestId, request: job.request })
	}

	#start(): Worker {
		const worker = this.#options.spawn()
		worker.onmessage = ({ data }: MessageEvent<FromLoader>) => this.#receive(data)
		worker.onerror = (event) => {
			this.#endWorker(new Fault('bug', `the loader died: ${event.message}`))
			this.#next()
		}
		const { libraryPath, isa } = this.#options
		worker.postMessage({ type: 'start', libraryPath, isa } satisfies ToLoader)
		return worker
	}

	#receive(message: FromLoader): void {
		const job = this.#running
		if (job === null || message.requestId !== this.#requestId) return
		this.#running = null
		switch (message.type) {
			case 'inspected':
				job.resolve(message.info)
				break
			case 'loaded':
				job.resolve(message.model)
				break
			case 'exported':
				job.resolve(message.report)
				break
			case 'failed': {
				const { kind, message: text } = message.failure
				job.reject(job.signal?.aborted ? job.signal.reason : new Fault(kind, text))
				break
			}
			default:
				assertNever(message)
		}
		this.#next()
	}

	/** The request under way goes down with its thread; those that wait get a new one. */
	#endWorker(error: Fault): void {
		this.#worker?.terminate()
		this.#worker = null
		this.#running?.reject(error)
		this.#running = null
	}

	#post(message: ToLoader): void {
		assert(this.#worker, 'the loader runs')
		this.#worker.postMessage(message)
	}
}

function closedError(): Fault {
	return new Fault('bug', 'the loader was closed')
}
