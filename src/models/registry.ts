/*
 * Names to loaded models: the sources of models, what is in memory, and the engine, behind the one
 * interface that the HTTP side knows.
 */
import type { CheckpointInfo } from '../checkpoint/load/checkpoint-info.ts'
import type { Loader } from '../checkpoint/load/loader.ts'
import type { CheckpointLocation } from '../checkpoint/load/messages.ts'
import type { LossSeries } from '../checkpoint/store/training-log.ts'
import type { Engine } from '../engine/engine.ts'
import { Fault, isFault } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import type { DtypeChoice } from '../model/model-config.ts'
import {
	type ModelCard,
	type ModelCatalog,
	type ModelDetails,
	type ModelLease,
	type ModelLoad,
	modelNotFound,
} from './catalog.ts'
import { Lease, type ServedModel, serveModel } from './lease.ts'
import { type Loading, Residency } from './residency.ts'
import type { ModelSource, SourceModel } from './source.ts'

export interface ModelRegistryOptions {
	/** In the order of listings; an id that an earlier one lists hides that of a later one. */
	readonly sources: readonly ModelSource[]
	readonly loader: Loader
	readonly engine: Engine
	readonly dtype: DtypeChoice
	/** Bytes for weights, keys, values and activations of all loaded models. */
	readonly memoryBytesMax: number
	/** Bytes that a model takes beside its weights. */
	readonly runnerBytes: (info: CheckpointInfo) => number
	readonly log: Log
}

/** A model's card, and where its bytes are. */
export interface LocatedModel {
	readonly card: ModelCard
	readonly location: CheckpointLocation
}

/** What a name stands for at this moment. */
interface Target {
	readonly model: SourceModel
	readonly source: ModelSource
	/** The bare id. */
	readonly id: string
	/** Asked for by step, so that a newer step does not replace it; undefined for the current one. */
	readonly trainingStep: number | undefined
}

/** `id@step` in its one spelling. */
const ID_AT_STEP = /^(.+)@(0|[1-9]\d{0,15})$/

const RETRY_SECONDS = 1
/** How often a name is resolved anew when its checkpoint turns out damaged or was replaced meanwhile. */
const ATTEMPTS_MAX = 3

export class ModelRegistry implements ModelCatalog {
	readonly #options: ModelRegistryOptions
	readonly #residency: Residency<ServedModel>
	/** As what each model in memory was asked for last; by step, if ever. */
	readonly #askedFor = new Map<string, Target>()
	readonly #listeners = new Set<() => void>()

	constructor(options: ModelRegistryOptions) {
		this.#options = options
		this.#residency = new Residency({
			bytesMax: options.memoryBytesMax,
			unload: (model) => options.engine.unload(model.modelKey),
			changed: () => this.#tellChange(),
		})
		for (const source of options.sources) {
			source.onChange(() => {
				this.#dropOutdated()
				this.#tellChange()
			})
		}
	}

	onChange(listener: () => void): () => void {
		this.#listeners.add(listener)
		return () => this.#listeners.delete(listener)
	}

	#tellChange(): void {
		for (const listener of this.#listeners) listener()
	}

	list(): ModelCard[] {
		return this.#options.sources.flatMap((source) => {
			const models = source.models().filter(({ card }) => this.#ownerOf(card.id) === source)
			return models.map((model) => this.#card(model))
		})
	}

	loads(): ModelLoad[] {
		return [...this.#askedFor].flatMap(([key, { model }]) => {
			const resident = this.#residency.find(key)?.model
			const stats = resident && this.#options.engine.modelStats(resident.modelKey)
			return stats === undefined ? [] : [{ id: model.card.id, stats }]
		})
	}

	listUnserved(): ModelCard[] {
		return this.#options.sources.flatMap((source) =>
			source.unserved().filter(({ id }) => this.#ownerOf(id) === source),
		)
	}

	find(name: string): ModelCard | undefined {
		const target = this.#resolve(name)
		return target && this.#card(target.model)
	}

	details(name: string): ModelDetails | undefined {
		const target = this.#resolve(name)
		if (!target) return undefined
		const { model } = target
		const resident = this.#residency.find(model.key)
		const known = resident?.model?.checkpoint ?? model.facts
		return {
			card: this.#card(model),
			checkpointBytes: model.checkpointBytes,
			parameterCount: known?.parameterCount ?? null,
			tokenizer: known?.tokenizer ?? null,
			memoryBytes: resident?.model ? resident.bytes : null,
			leases: resident?.pins ?? 0,
		}
	}

	async #find(name: string | undefined): Promise<Target | undefined> {
		if (name === undefined) {
			await Promise.all(this.#options.sources.map((source) => source.newestKnown()))
		} else if (!this.#resolve(name)) {
			await this.lookFor(name)
		}
		return this.#resolve(name)
	}

	async lookFor(name?: string): Promise<void> {
		const { sources } = this.#options
		if (name !== undefined) {
			if (this.#resolve(name)) return
			const ids = [name, ID_AT_STEP.exec(name)?.[1]].filter((id) => id !== undefined)
			await Promise.all(sources.flatMap((source) => ids.map((id) => source.lookFor(id))))
			if (this.#resolve(name)) return
		}
		await Promise.all(sources.map((source) => source.ready()))
	}

	async lossSeries(name: string, pointsMax: number): Promise<LossSeries> {
		const target = this.#resolve(name)
		if (!target) return { lineCount: 0, badLineCount: 0, points: [] }
		return target.model.lossSeries(pointsMax)
	}

	acquire(name: string | undefined, signal?: AbortSignal): Promise<ModelLease> {
		return this.#reading(name, ['invalid', 'unreadable'], async (target) => {
			signal?.throwIfAborted()
			const { model } = target
			this.#noteAskedFor(target)
			const pin = await this.#residency.acquire(
				model.key,
				new CheckpointLoading(model, this.#options),
			)
			return new Lease(this.#options.engine, pin, model.card)
		})
	}

	/** Where the bytes are that a name stands for, with their card. Rejects with Fault. */
	async locate(name: string): Promise<LocatedModel> {
		return this.#located(await this.#target(name))
	}

	/**
	 * Runs `read` with where the bytes are that a name stands for; once more where they were replaced meanwhile.
	 * Rejects with Fault, `changing` when they cannot be read now.
	 */
	read<T>(name: string, read: (model: LocatedModel) => Promise<T>): Promise<T> {
		return this.#reading(name, ['unreadable'], async (target) => read(await this.#located(target)))
	}

	/** Resolves the name anew when what it stood for turned out to be unreadable, or damaged where `invalid` says so. */
	async #reading<T>(
		name: string | undefined,
		repeated: readonly ('invalid' | 'unreadable')[],
		read: (target: Target) => Promise<T>,
	): Promise<T> {
		for (let attempt = 1; ; attempt++) {
			const target = await this.#target(name)
			try {
				return await read(target)
			} catch (error) {
				if (!isFault(error, ...repeated)) throw error
				if (error.kind === 'invalid') await target.model.reportDamage(error.message)
				else await target.model.refresh()
				if (attempt === ATTEMPTS_MAX) throw changing(error)
			}
		}
	}

	async #target(name: string | undefined): Promise<Target> {
		const target = await this.#find(name)
		if (!target) throw this.#notFound(name)
		return target
	}

	async #located({ model }: Target): Promise<LocatedModel> {
		return { card: this.#card(model), location: await model.locate() }
	}

	async unload(name: string): Promise<boolean> {
		const key = this.#resolve(name)?.model.key
		if (key === undefined || !this.#residency.find(key)) return false
		await this.#residency.drop(key)
		return true
	}

	/** The source that answers for an id, also when what it has cannot be served. */
	#ownerOf(id: string): ModelSource | undefined {
		return this.#options.sources.find((source) => source.lists(id))
	}

	/**
	 * No name: the first model. Else an id, `id@step`, an alias, or `alias@step`, in this order: what is
	 * listed under a name never yields to another one's alias, even when it cannot be served.
	 */
	#resolve(name: string | undefined): Target | undefined {
		if (name === undefined) return this.#first()
		const [, bare, step] = ID_AT_STEP.exec(name) ?? []
		return (
			this.#findById(name) ??
			(bare === undefined ? undefined : this.#findById(bare, Number(step))) ??
			this.#findByAlias(name) ??
			(bare === undefined ? undefined : this.#findByAlias(bare, Number(step)))
		)
	}

	#first(): Target | undefined {
		for (const source of this.#options.sources) {
			const model = source.models().find(({ card }) => this.#ownerOf(card.id) === source)
			if (model) return { model, source, id: model.card.id, trainingStep: undefined }
		}
		return undefined
	}

	#findById(id: string, trainingStep?: number): Target | undefined {
		const source = this.#ownerOf(id)
		const model = source?.find(id, trainingStep)
		return source && model && { model, source, id, trainingStep }
	}

	#findByAlias(alias: string, trainingStep?: number): Target | undefined {
		if (this.#ownerOf(alias) !== undefined) return undefined
		const id = this.#resolveAlias(alias)
		return id === undefined ? undefined : this.#findById(id, trainingStep)
	}

	#resolveAlias(alias: string): string | undefined {
		for (const source of this.#options.sources) {
			const id = source.resolveAlias(alias)
			if (id !== undefined) return id
		}
		return undefined
	}

	#noteAskedFor(target: Target): void {
		const { key } = target.model
		if (this.#askedFor.get(key)?.trainingStep === undefined) this.#askedFor.set(key, target)
	}

	/** Old weights leave memory when their run has a newer step or is gone. */
	#dropOutdated(): void {
		for (const [key, { source, id, trainingStep }] of this.#askedFor) {
			const isCurrent = source.find(id)?.key === key
			const isKept = trainingStep !== undefined && source.find(id, trainingStep)?.key === key
			if (this.#residency.find(key) && (isCurrent || isKept)) continue
			this.#askedFor.delete(key)
			void this.#residency.drop(key)
		}
	}

	#card({ key, card, facts }: SourceModel): ModelCard {
		const resident = this.#residency.find(key)
		const known = resident?.model?.checkpoint ?? facts
		return {
			...card,
			state: resident ? (resident.model ? 'loaded' : 'loading') : 'available',
			format: known?.form ?? null,
			family: known?.config.family ?? null,
		}
	}

	#notFound(name: string | undefined) {
		if (name === undefined) return modelNotFound('', 'there is no model yet')
		const id = this.#ownerOf(name) ? name : this.#resolveAlias(name)
		const unserved = this.listUnserved().find((card) => card.id === id)
		return modelNotFound(name, unserved?.reason ?? undefined)
	}
}

/** How the weights of a model come into memory. */
class CheckpointLoading implements Loading<ServedModel> {
	readonly #model: SourceModel
	readonly #options: ModelRegistryOptions
	/** Looked at and loaded one after the other: located once. */
	#location: Promise<CheckpointLocation> | null = null

	constructor(model: SourceModel, options: ModelRegistryOptions) {
		this.#model = model
		this.#options = options
	}

	async estimateBytes(): Promise<number> {
		const { loader, runnerBytes } = this.#options
		const info = this.#model.info ?? (await loader.inspect(await this.#request()))
		return info.arenaBytes + runnerBytes(info)
	}

	async load(): Promise<ServedModel> {
		const { loader, engine, log } = this.#options
		const startedAt = performance.now()
		const served = await serveModel(engine, await loader.load(await this.#request()))
		const milliseconds = Math.round(performance.now() - startedAt)
		const { id, trainingStep } = this.#model.card
		log('info', `loaded ${id} (step ${trainingStep}) in ${milliseconds} ms`)
		return served
	}

	async #request() {
		this.#location ??= this.#model.locate()
		return { location: await this.#location, dtype: this.#options.dtype }
	}
}

/** Every version that was tried had been replaced, or was about to be. */
function changing(error: Fault): Fault {
	const message = `The checkpoint is changing: ${error.message}`
	return new Fault('changing', message, { retrySeconds: RETRY_SECONDS, cause: error })
}
