import { assert, assertNever } from '../../lib/assert.ts'
import { type Chunked, fromChunks } from '../../lib/chunked-lists.ts'
import { Fault } from '../../lib/fault.ts'
import { inSlices } from '../../lib/steps.ts'
import type { ExportRequest } from '../exports/export.ts'
import type { ExportReport } from '../exports/export-report.ts'
import type { CheckpointInfo, LoadedCheckpoint } from './checkpoint-info.ts'
import type { CheckpointLocation, FromLoader, LoadRequest, ToLoader } from './messages.ts'

export interface LoaderOptions {
	/** Makes the worker in `worker/worker.ts`; called again when one has died. */
	readonly spawn: () => Worker
	readonly libraryPath: string
	/** Instruction set of the kernels; '' = the best that runs here. */
	readonly isa: string
}

type LoadResult = CheckpointInfo | Chunked<LoadedCheckpoint> | ExportReport

/** What a checkpoint is read for, and the format of its weights. */
type ReadRequest = Omit<Exclude<LoadRequest, { type: 'export' }>, 'type'>

interface Job {
	readonly request: LoadRequest
	readonly resolve: (result: LoadResult) => void
	readonly reject: (error: Fault) => void
}

/** Order in which waiting requests are served: somebody waits for a model before anything else. */
const PRIORITY = ['load', 'verify', 'export', 'inspect'] as const

/**
 * The loader thread as promises. Requests wait here, so that a load overtakes the inspections that a
 * full directory causes; one is under way at a time.
 */
export class Loader {
	readonly #options: LoaderOptions
	#worker: Worker | null = null
	readonly #waiting: Job[] = []
	#running: Job | null = null
	#requestId = 0

	constructor(options: LoaderOptions) {
		this.#options = options
	}

	/** Everything about a checkpoint but its numbers. Rejects with Fault, as all do; see LoadFailure. */
	async inspect(request: ReadRequest): Promise<CheckpointInfo> {
		return infoOf(await this.#submit({ ...request, type: 'inspect' }))
	}

	/** Reads a checkpoint to its last number, as `load` does. */
	async verify(request: ReadRequest): Promise<CheckpointInfo> {
		return infoOf(await this.#submit({ ...request, type: 'verify' }))
	}

	/** Loads a checkpoint into shared memory. */
	async load(request: ReadRequest): Promise<LoadedCheckpoint> {
		const result = await this.#submit({ ...request, type: 'load' })
		assert('rest' in result, 'a load is answered with a model')
		return inSlices(fromChunks(result))
	}

	/** Writes a checkpoint in the form of other tools. */
	async export(location: CheckpointLocation, request: ExportRequest): Promise<ExportReport> {
		const result = await this.#submit({ type: 'export', location, export: request })
		assert('files' in result, 'an export is answered with a report')
		return result
	}

	/** Ends the thread; what is under way or waiting is rejected. */
	close(): void {
		for (const job of this.#waiting.splice(0)) job.reject(closedError())
		this.#endWorker(closedError())
	}

	#submit(request: LoadRequest): Promise<LoadResult> {
		return new Promise((resolve, reject) => {
			this.#waiting.push({ request, resolve, reject })
			this.#next()
		})
	}

	#next(): void {
		if (this.#running !== null) return
		const job = PRIORITY.map((type) =>
			this.#waiting.find((each) => each.request.type === type),
		).find((found) => found !== undefined)
		if (job === undefined) return
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
			case 'failed':
				job.reject(new Fault(message.failure.kind, message.failure.message))
				break
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

function infoOf(result: LoadResult): CheckpointInfo {
	assert('form' in result, 'what is inspected or verified is answered with its facts')
	return result
}

function closedError(): Fault {
	return new Fault('bug', 'the loader was closed')
}
