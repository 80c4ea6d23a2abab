/*
 * Names to loaded models: the checkpoints directory, the embedded model, what is in memory, and the
 * engine, behind the one interface that the HTTP side knows.
 */
import type { CheckpointInfo } from '../checkpoint/load/checkpoint-info.ts'
import type { Loader } from '../checkpoint/load/loader.ts'
import type { CheckpointLocation } from '../checkpoint/load/messages.ts'
import type { CheckpointVersion, RunConfig } from '../checkpoint/store/run-directory.ts'
import type { RunSummary, UnservedRun } from '../checkpoint/store/run-judgement.ts'
import type { CheckpointStore } from '../checkpoint/store/store.ts'
import type { MetricsSeries } from '../checkpoint/store/training-log.ts'
import type { Engine } from '../engine/engine.ts'
import { Fault, isFault } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import type { Dtype } from '../model/model-config.ts'
import {
	type ModelCard,
	type ModelCatalog,
	type ModelDetails,
	type ModelLease,
	modelNotFound,
} from './catalog.ts'
import { Lease, type ServedModel, serveModel } from './lease.ts'
import { Residency } from './residency.ts'

/** The model that travels inside the executable. */
export interface EmbeddedModel {
	readonly name: string
	readonly step: number
	/** Epoch milliseconds. */
	readonly mtimeMs: number
	readonly config: RunConfig
	readonly lastLoss: number | null
	readonly checkpointBytes: number
	/** Its bytes, in shared memory so that the loader gets them without a copy. */
	readCheckpoint(): Promise<Uint8Array<SharedArrayBuffer>>
	readMetrics(pointsMax: number): Promise<MetricsSeries>
}

export interface ModelRegistryOptions {
	readonly store: CheckpointStore
	readonly embedded: EmbeddedModel | null
	readonly loader: Loader
	readonly engine: Engine
	readonly dtype: Dtype
	/** Bytes for weights, keys, values and activations of all loaded models. */
	readonly memoryBytesMax: number
	/** Bytes that a model takes beside its weights. */
	readonly runnerBytes: (info: CheckpointInfo) => number
	readonly log: Log
}

/** What a name stands for at this moment. */
interface Target {
	/** The id that answers. */
	readonly id: string
	readonly step: number
	/** Names these very bytes: another checkpoint has another key. */
	readonly key: string
	/** The run and its checkpoint; null = the embedded model. */
	readonly stored: { readonly run: RunSummary; readonly version: CheckpointVersion } | null
	locate(): Promise<CheckpointLocation>
	/** The file has turned out to be damaged. */
	reportDamage(reason: string): Promise<void>
}

const embeddedKey = 'embedded'
const RETRY_SECONDS = 1
/** How often a name is resolved anew when its checkpoint turns out damaged or was replaced meanwhile. */
const ATTEMPTS_MAX = 3

export class ModelRegistry implements ModelCatalog {
	readonly #options: ModelRegistryOptions
	readonly #residency: Residency<ServedModel>
	/** Keys of models that were loaded by step, which a newer step does not replace. */
	readonly #keptSteps = new Set<string>()

	constructor(options: ModelRegistryOptions) {
		this.#options = options
		this.#residency = new Residency({
			bytesMax: options.memoryBytesMax,
			unload: (model) => options.engine.unload(model.modelKey),
		})
		options.store.onChange(() => this.#dropReplaced())
	}

	list(): ModelCard[] {
		const { store } = this.#options
		const cards = store.runs().map((run) => this.#runCard(run))
		const embedded = this.#visibleEmbedded()
		return embedded ? [...cards, this.#embeddedCard(embedded)] : cards
	}

	listUnserved(): ModelCard[] {
		return this.#options.store.unserved().map(unservedCard)
	}

	find(name: string): ModelCard | undefined {
		const target = this.#resolve(name)
		return target && this.#card(target)
	}

	details(name: string): ModelDetails | undefined {
		const target = this.#resolve(name)
		if (!target) return undefined
		const { key, stored } = target
		const resident = this.#residency.find(key)
		const inspected = stored?.version === stored?.run.served ? stored?.run.info : null
		const info = resident?.model?.checkpoint ?? inspected ?? null
		return {
			card: this.#card(target),
			checkpointBytes: stored?.version.sizeBytes ?? this.#options.embedded?.checkpointBytes ?? 0,
			parameterCount: info?.parameterCount ?? null,
			tokenizer: info?.tokenizer ?? null,
			memoryBytes: resident?.model ? resident.bytes : null,
			leases: resident?.pins ?? 0,
		}
	}

	async metrics(name: string, pointsMax: number): Promise<MetricsSeries> {
		const { store, embedded } = this.#options
		const target = this.#resolve(name)
		if (target && !target.stored && embedded) return embedded.readMetrics(pointsMax)
		return store.metrics(target?.stored?.run.name ?? name, pointsMax)
	}

	async acquire(name: string | undefined, signal?: AbortSignal): Promise<ModelLease> {
		for (let attempt = 1; ; attempt++) {
			signal?.throwIfAborted()
			const target = this.#resolve(name)
			if (!target) throw this.#notFound(name)
			try {
				const pin = await this.#residency.acquire(target.key, {
					estimateBytes: () => this.#estimateBytes(target),
					load: () => this.#load(target),
				})
				if (target.id.endsWith(`@${target.step}`)) this.#keptSteps.add(target.key)
				return new Lease(this.#options.engine, pin, target)
			} catch (error) {
				if (!isFault(error, 'invalid', 'unreadable')) throw error
				if (error.kind === 'invalid') await target.reportDamage(error.message)
				if (attempt === ATTEMPTS_MAX) throw changing(error)
			}
		}
	}

	async unload(name: string): Promise<boolean> {
		const target = this.#resolve(name)
		if (!target || !this.#residency.find(target.key)) return false
		await this.#residency.drop(target.key)
		return true
	}

	/** The first model without a name; a run or run id; or `name@step`. */
	#resolve(name: string | undefined): Target | undefined {
		const { store } = this.#options
		const embedded = this.#visibleEmbedded()
		if (name === undefined) {
			const first = store.runs()[0]
			if (first) return this.#runTarget(first.name, first, first.served)
			return embedded ? this.#embeddedTarget(embedded, embedded.name) : undefined
		}
		const named = store.find(name)
		if (named) return this.#runTarget(named.name, named, named.served)
		if (embedded?.name === name) return this.#embeddedTarget(embedded, name)
		const [, runName, stepText] = /^(.+)@(\d{1,16})$/.exec(name) ?? []
		if (runName === undefined) return undefined
		const step = Number(stepText)
		const run = store.find(runName)
		const version = store.checkpoint(runName, step)
		if (run && version) return this.#runTarget(name, run, version)
		const isEmbedded = embedded?.name === runName && embedded.step === step
		return isEmbedded ? this.#embeddedTarget(embedded, name) : undefined
	}

	#runTarget(id: string, run: RunSummary, version: CheckpointVersion): Target {
		const { path, step, identity } = version
		return {
			id,
			step,
			key: identity,
			stored: { run, version },
			locate: async () => ({ type: 'file', path }),
			reportDamage: (reason) => this.#options.store.reportDamage(run.name, version, reason),
		}
	}

	#embeddedTarget(embedded: EmbeddedModel, id: string): Target {
		let location: Promise<CheckpointLocation> | undefined
		const locate = async (): Promise<CheckpointLocation> => ({
			type: 'memory',
			bytes: await embedded.readCheckpoint(),
		})
		return {
			id,
			step: embedded.step,
			key: embeddedKey,
			stored: null,
			// Looked at and loaded one after the other: read once.
			locate: () => {
				location ??= locate()
				return location
			},
			reportDamage: async () => {},
		}
	}

	/** A run of the same name in the directory takes the embedded model's place. */
	#visibleEmbedded(): EmbeddedModel | null {
		const { embedded, store } = this.#options
		const isShadowed = embedded && store.runs().some((run) => run.name === embedded.name)
		return isShadowed ? null : embedded
	}

	async #estimateBytes(target: Target): Promise<number> {
		const { loader, dtype, runnerBytes } = this.#options
		const info = await loader.inspect({ location: await target.locate(), dtype })
		return info.arenaBytes + runnerBytes(info)
	}

	async #load(target: Target): Promise<ServedModel> {
		const { loader, engine, dtype, log } = this.#options
		const startedAt = performance.now()
		const loaded = await loader.load({ location: await target.locate(), dtype })
		const model = await serveModel(engine, loaded)
		const milliseconds = Math.round(performance.now() - startedAt)
		log('info', `loaded ${target.id} (step ${target.step}) in ${milliseconds} ms`)
		return model
	}

	/** Old weights leave memory when their run has a newer step or is gone. */
	#dropReplaced(): void {
		const { store } = this.#options
		const served = new Set(store.runs().map((run) => run.served.identity))
		const existing = new Set(
			store
				.runs()
				.flatMap(({ name, steps }) => steps.map((step) => store.checkpoint(name, step)?.identity)),
		)
		for (const { key } of this.#residency.list()) {
			if (key === embeddedKey || served.has(key)) continue
			if (this.#keptSteps.has(key) && existing.has(key)) continue
			this.#keptSteps.delete(key)
			void this.#residency.drop(key)
		}
	}

	/** The card of a name that may address an older step. */
	#card({ id, step, key, stored }: Target): ModelCard {
		const card = stored ? this.#runCard(stored.run) : this.#embeddedCard(this.#options.embedded!)
		const mtimeMs = stored?.version.mtimeMs ?? card.mtimeMs
		return { ...card, id, step, mtimeMs, state: this.#stateOf(key) }
	}

	#runCard(run: RunSummary): ModelCard {
		const { name, step, steps, mtimeMs, lastLoss, domain, trainConfig } = run
		return {
			id: name,
			step,
			mtimeMs,
			lastLoss,
			domain,
			modelConfig: modelConfigOf(run),
			trainConfig,
			steps,
			state: this.#stateOf(run.served.identity),
			reason: run.problem,
			contextLength: run.info?.config.contextLength ?? contextLengthOf(run),
			embedded: false,
		}
	}

	#embeddedCard(embedded: EmbeddedModel): ModelCard {
		const { name, step, mtimeMs, lastLoss, config } = embedded
		const { domain, modelConfig, trainConfig } = config
		return {
			id: name,
			step,
			mtimeMs,
			lastLoss,
			domain,
			modelConfig,
			trainConfig,
			steps: [step],
			state: this.#stateOf(embeddedKey),
			reason: null,
			contextLength: contextLengthOf(config),
			embedded: true,
		}
	}

	#stateOf(key: string): ModelCard['state'] {
		const resident = this.#residency.find(key)
		if (!resident) return 'available'
		return resident.model ? 'loaded' : 'loading'
	}

	#notFound(name: string | undefined) {
		if (name === undefined) return modelNotFound('', 'there is no model yet')
		const unserved = this.#options.store.unserved().find((run) => run.name === name)
		return modelNotFound(name, unserved?.reason)
	}
}

/** Every version that was tried had been replaced, or was about to be. */
function changing(error: Fault): Fault {
	const message = `The checkpoint is changing: ${error.message}`
	return new Fault('changing', message, { retrySeconds: RETRY_SECONDS, cause: error })
}

/** As config.json has it, but what the served checkpoint says of itself goes first. */
function modelConfigOf({ modelConfig, info }: RunSummary): RunConfig['modelConfig'] {
	if (info === null) return modelConfig
	const { vocabSize, contextLength, nLayer, nEmbd, nHead } = info.config
	return { ...modelConfig, vocabSize, blockSize: contextLength, nLayer, nEmbd, nHead }
}

function contextLengthOf({ modelConfig }: Pick<RunConfig, 'modelConfig'>): number | null {
	const blockSize = modelConfig['blockSize']
	return Number.isSafeInteger(blockSize) ? (blockSize as number) : null
}

function unservedCard(run: UnservedRun): ModelCard {
	return {
		id: run.name,
		step: run.step ?? 0,
		mtimeMs: run.mtimeMs,
		lastLoss: null,
		domain: run.config?.domain ?? null,
		modelConfig: run.config?.modelConfig ?? {},
		trainConfig: run.config?.trainConfig ?? {},
		steps: [],
		state: run.state,
		reason: run.reason,
		contextLength: null,
		embedded: false,
	}
}
