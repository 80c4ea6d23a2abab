/*
 * The engine's thread: owns all decoding. Receives messages between steps, gives every model with
 * work one step in turn, and posts what each step produced. Sleeps on its event loop when idle.
 */
import { type Kernels, openKernels } from '../kernels/binding.ts'
import { assert, assertNever } from '../lib/assert.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import { ModelRunner } from './model-runner.ts'
import { type EngineStats, STATS_FIELDS, writeStats } from './stats.ts'

declare const self: {
	onmessage: ((event: MessageEvent<ToWorker>) => void) | null
	postMessage(message: FromWorker, transfer?: ArrayBuffer[]): void
}

class EngineWorker {
	#kernels: Kernels | null = null
	#inbox: Int32Array = new Int32Array(1)
	#stats: Float64Array = new Float64Array(STATS_FIELDS.length)
	#received = 0
	readonly #runners = new Map<number, ModelRunner>()
	/** Counters of models that are no longer loaded. */
	readonly #past = new Map<keyof EngineStats, number>()
	#isRunning = false

	receive(message: ToWorker): void {
		this.#received++
		switch (message.type) {
			case 'start': {
				const kernels = openKernels(message.libraryPath)
				kernels.select(message.isa)
				kernels.threadsSet(message.threads)
				this.#kernels = kernels
				this.#inbox = new Int32Array(message.inbox)
				this.#stats = new Float64Array(message.stats)
				post({ type: 'ready' })
				return
			}
			case 'load':
				this.#load(message)
				return
			case 'unload':
				this.#unload(message.modelKey)
				return
			case 'submit':
			case 'embed': {
				const runner = this.#runners.get(message.modelKey)
				assert(runner, 'requests are for loaded models')
				if (message.type === 'submit') runner.submit(message.requestId, message.request)
				else runner.submitEmbedding(message.requestId, message.request)
				break
			}
			case 'allow':
				for (const runner of this.#runners.values()) {
					runner.allow(message.requestId, message.choice, message.mask)
				}
				break
			case 'stop-choice':
				for (const runner of this.#runners.values()) {
					runner.abort(message.requestId, message.choice)
				}
				break
			case 'abort':
				for (const runner of this.#runners.values()) runner.abort(message.requestId)
				break
			default:
				assertNever(message)
		}
		this.#writeStats()
		this.#run()
	}

	#load(message: ToWorker & { type: 'load' }): void {
		const { modelKey } = message
		try {
			assert(this.#kernels, 'the engine has started')
			this.#runners.set(modelKey, new ModelRunner(this.#kernels, message))
			this.#writeStats()
			post({ type: 'loaded', modelKey })
		} catch (error) {
			post({ type: 'load-failed', modelKey, message: String(error) })
		}
	}

	#unload(modelKey: number): void {
		const runner = this.#runners.get(modelKey)
		if (!runner) return
		for (const field of STATS_FIELDS) {
			if (field.endsWith('Total') && field !== 'kvBlocksTotal') {
				this.#past.set(field, (this.#past.get(field) ?? 0) + runner.stats[field])
			}
		}
		this.#runners.delete(modelKey)
		this.#writeStats()
		post({ type: 'unloaded', modelKey })
	}

	async #run(): Promise<void> {
		if (this.#isRunning) return
		this.#isRunning = true
		while (this.#stepAll()) {
			// Messages are handled by the event loop, so let it turn whenever one is under way.
			while (Atomics.load(this.#inbox, 0) !== this.#received) await eventLoopTurn()
		}
		this.#isRunning = false
	}

	/** One step of every model that has work, in turn; false when none could run. */
	#stepAll(): boolean {
		let hasRun = false
		for (const runner of this.#runners.values()) {
			try {
				const output = runner.step()
				if (!output) continue
				hasRun = true
				post({ type: 'step', output })
			} catch (error) {
				const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
				post({ type: 'failure', requestIds: runner.abortAll(), message })
			}
		}
		if (hasRun) this.#writeStats()
		return hasRun
	}

	#writeStats(): void {
		const all = [...this.#runners.values()].map((runner) => runner.stats)
		const total = Object.fromEntries(
			STATS_FIELDS.map((field) => [
				field,
				all.reduce((sum, stats) => sum + stats[field], this.#past.get(field) ?? 0),
			]),
		) as Record<(typeof STATS_FIELDS)[number], number>
		writeStats(this.#stats, total)
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
