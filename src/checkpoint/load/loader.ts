import { assert } from '../../lib/assert.ts'
import { fromChunks } from '../../lib/chunked-lists.ts'
import { inSlices } from '../../lib/steps.ts'
import type { ExportRequest } from '../exports/export.ts'
import type { ExportReport } from '../exports/export-report.ts'
import type { CheckpointInfo, LoadedCheckpoint } from './checkpoint-info.ts'
import { LoaderThread, type LoaderThreadOptions, type LoadResult } from './loader-thread.ts'
import type { CheckpointLocation, LoadRequest } from './messages.ts'

export type LoaderOptions = Omit<LoaderThreadOptions, 'endsWhenIdle'>

/** What a checkpoint is read for, and the format of its weights. */
type ReadRequest = Omit<Exclude<LoadRequest, { type: 'export' }>, 'type'>

/** The loader's threads: one reads what is asked for here, the other writes for other tools, which may take long. */
export class Loader {
	readonly #reading: LoaderThread
	readonly #exporting: LoaderThread

	constructor(options: LoaderOptions) {
		this.#reading = new LoaderThread({ ...options, endsWhenIdle: false })
		this.#exporting = new LoaderThread({ ...options, endsWhenIdle: true })
	}

	/** Everything about a checkpoint but its numbers. Rejects with Fault, as all do; see LoadFailure. */
	async inspect(request: ReadRequest): Promise<CheckpointInfo> {
		return infoOf(await this.#reading.submit({ ...request, type: 'inspect' }))
	}

	/** Reads a checkpoint to its last number, as `load` does. */
	async verify(request: ReadRequest): Promise<CheckpointInfo> {
		return infoOf(await this.#reading.submit({ ...request, type: 'verify' }))
	}

	/** Loads a checkpoint into shared memory. */
	async load(request: ReadRequest): Promise<LoadedCheckpoint> {
		const result = await this.#reading.submit({ ...request, type: 'load' })
		assert('rest' in result, 'a load is answered with a model')
		return inSlices(fromChunks(result))
	}

	/**
	 * Writes a checkpoint in the form of other tools. When `signal` fires, it is given up before the next tensor,
	 * what was written is removed, and then it rejects with the signal's reason.
	 */
	async export(
		location: CheckpointLocation,
		request: ExportRequest,
		signal?: AbortSignal,
	): Promise<ExportReport> {
		const unwanted = new Int32Array(new SharedArrayBuffer(4))
		const giveUp = () => void Atomics.store(unwanted, 0, 1)
		signal?.addEventListener('abort', giveUp, { once: true })
		try {
			const { buffer } = unwanted
			const job = { type: 'export', location, export: request, unwanted: buffer } as const
			const result = await this.#exporting.submit(job, signal)
			assert('files' in result, 'an export is answered with a report')
			return result
		} finally {
			signal?.removeEventListener('abort', giveUp)
		}
	}

	/** Ends the threads; what is under way or waiting is rejected. */
	close(): void {
		this.#reading.close()
		this.#exporting.close()
	}
}

function infoOf(result: LoadResult): CheckpointInfo {
	assert('form' in result, 'what is inspected or verified is answered with its facts')
	return result
}
