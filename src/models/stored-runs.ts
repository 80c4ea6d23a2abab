import type { CheckpointInfo } from '../checkpoint/load/checkpoint-info.ts'
import { type CheckpointVersion, locationOf } from '../checkpoint/store/checkpoint-version.ts'
import type { RunSummary, UnservedRun } from '../checkpoint/store/run-judgement.ts'
import type { CheckpointStore } from '../checkpoint/store/store.ts'
import type { ModelCard } from './catalog.ts'
import { contextLengthOf, type ModelSource, type SourceModel } from './source.ts'

/** Runs in the checkpoints directory as a source. */
export class StoredRuns implements ModelSource {
	readonly #store: CheckpointStore
	/** A summary stays the same object for as long as its run does. */
	readonly #models = new WeakMap<RunSummary, SourceModel>()

	#listed: { readonly runs: readonly RunSummary[]; readonly models: readonly SourceModel[] } = {
		runs: [],
		models: [],
	}

	constructor(store: CheckpointStore) {
		this.#store = store
	}

	models(): readonly SourceModel[] {
		const runs = this.#store.runs()
		if (this.#listed.runs !== runs) {
			this.#listed = { runs, models: runs.map((run) => this.#current(run)) }
		}
		return this.#listed.models
	}

	unserved(): readonly ModelCard[] {
		return this.#store.unserved().map(unservedCard)
	}

	lists(id: string): boolean {
		return (this.#store.find(id) ?? this.#store.findUnserved(id)) !== undefined
	}

	find(id: string, trainingStep?: number): SourceModel | undefined {
		const run = this.#store.find(id)
		if (run === undefined) return undefined
		if (trainingStep === undefined) return this.#current(run)
		if (trainingStep === stepOf(run.served, run.info)) {
			return this.#model(run, run.served, `${id}@${trainingStep}`)
		}
		const version = this.#store.checkpoint(id, trainingStep)
		return version && this.#model(run, version, `${id}@${trainingStep}`)
	}

	resolveAlias(alias: string): string | undefined {
		return this.#store.findByRunId(alias)?.name
	}

	newestKnown(): Promise<void> {
		return this.#store.newestKnown()
	}

	ready(): Promise<void> {
		return this.#store.ready()
	}

	lookFor(name: string): Promise<void> {
		return this.#store.lookFor(name)
	}

	onChange(listener: () => void): void {
		this.#store.onChange(listener)
	}

	#current(run: RunSummary): SourceModel {
		const known = this.#models.get(run)
		if (known !== undefined) return known
		const model = this.#model(run, run.served, run.name)
		this.#models.set(run, model)
		return model
	}

	#model(run: RunSummary, version: CheckpointVersion, id: string): SourceModel {
		const { name, lastLoss, domain, trainConfig, steps, fault } = run
		const { identity, mtimeMs, sizeBytes } = version
		const info = version === run.served ? run.info : null
		return {
			key: identity,
			card: {
				id,
				trainingStep: stepOf(version, info),
				mtimeMs,
				lastLoss,
				domain,
				modelConfig: modelConfigOf(run),
				trainConfig,
				steps,
				reason: fault?.reason ?? null,
				contextLength: run.info?.config.contextLength ?? contextLengthOf(run.modelConfig),
				isBuiltin: false,
			},
			checkpointBytes: sizeBytes,
			info,
			facts: info,
			locate: async () => locationOf(version),
			reportDamage: (reason) => this.#store.reportDamage(name, version, reason),
			refresh: () => this.#store.rescan(name),
			lossSeries: (pointsMax) => this.#store.lossSeries(name, pointsMax),
		}
	}
}

/** By the file's name; a file whose name tells no step may tell it inside. */
function stepOf({ step }: CheckpointVersion, info: CheckpointInfo | null): number {
	return step === 0 ? (info?.step ?? 0) : step
}

/** As config.json has it, but what the served checkpoint says of itself goes first. */
function modelConfigOf({ modelConfig, info }: RunSummary): RunSummary['modelConfig'] {
	if (info === null) return modelConfig
	const { vocabSize, contextLength, nLayer, nEmbd, nHead } = info.config
	const sizes = { vocabSize, blockSize: contextLength, nLayer, nEmbd, nHead }
	// A run that searched for its activation ends with another one than config.json began with.
	const found = info.config.family === 'alpha' ? { ffnActivation: info.config.activation.kind } : {}
	return { ...modelConfig, ...sizes, ...found }
}

function unservedCard({ name, step, mtimeMs, config, fault }: UnservedRun): ModelCard {
	return {
		id: name,
		trainingStep: step ?? 0,
		mtimeMs,
		lastLoss: null,
		domain: config?.domain ?? null,
		modelConfig: config?.modelConfig ?? {},
		trainConfig: config?.trainConfig ?? {},
		steps: [],
		state: fault.kind,
		reason: fault.reason,
		contextLength: null,
		format: null,
		family: null,
		isBuiltin: false,
	}
}
