import type { CheckpointForm } from '../checkpoint/formats/types.ts'
import type { TokenizerSummary } from '../checkpoint/load/checkpoint-info.ts'
import type { LossSeries } from '../checkpoint/store/training-log.ts'
import type { PlaceRequest, Places } from '../engine/engine.ts'
import type { Generation, GenerationRequest } from '../engine/generation.ts'
import type { WorkerStats } from '../engine/stats.ts'
import { Fault } from '../lib/fault.ts'
import { describeValue } from '../lib/json.ts'
import type { ModelConfig } from '../model/model-config.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'

/** A run as the listings show it; every key is always present. */
export interface ModelCard {
	/** Directory name, which is the model id. */
	readonly id: string
	/** Step that `id` serves: the highest complete one. */
	readonly trainingStep: number
	/** Modification time of that checkpoint file, epoch milliseconds with fraction. */
	readonly mtimeMs: number
	readonly lastLoss: number | null
	readonly domain: string | null
	/** From config.json, as written there; {} when absent. */
	readonly modelConfig: Readonly<Record<string, unknown>>
	readonly trainConfig: Readonly<Record<string, unknown>>
	/** All steps that `id@step` can address, ascending. */
	readonly steps: readonly number[]
	/** `incomplete` and `damaged` runs carry a reason and cannot be acquired. */
	readonly state: 'available' | 'loading' | 'loaded' | 'incomplete' | 'damaged'
	/** Why it cannot be served, or what is wrong with other files of a run that can; else null. */
	readonly reason: string | null
	/** Context length if known without loading. */
	readonly contextLength: number | null
	/** Who wrote the checkpoint, and how; null until it has been inspected. */
	readonly format: CheckpointForm | null
	/** Architecture; null until the checkpoint has been inspected. */
	readonly family: ModelConfig['family'] | null
	/** True for the model inside the executable. */
	readonly isBuiltin: boolean
}

/** All that is known of a model: its card and what reading its checkpoint has shown. */
export interface ModelDetails {
	readonly card: ModelCard
	/** Size of the served checkpoint file in bytes. */
	readonly checkpointBytes: number
	/** Null until the checkpoint has been inspected. */
	readonly parameterCount: number | null
	readonly tokenizer: TokenizerSummary | null
	/** Memory that it takes now, in bytes; null while it is not loaded. */
	readonly memoryBytes: number | null
	/** Requests that hold it now. */
	readonly leases: number
}

/** What a model in memory is doing. */
export interface ModelLoad {
	readonly id: string
	readonly stats: WorkerStats
}

/** A loaded model, pinned until it is disposed of. Running generations keep their weights. */
export interface ModelLease extends Disposable {
	/** The id that answers: `name`, or `name@step` when asked for so. */
	readonly id: string
	readonly trainingStep: number
	readonly config: ModelConfig
	/** Hex digest of the checkpoint and dtype, for `system_fingerprint`. */
	readonly fingerprint: string
	readonly tokenizer: Tokenizer
	/** Waits for places to generate. Rejects with Fault `overloaded` when that takes too long or would. */
	enter(request: PlaceRequest): Promise<Places>
	/** Starts a generation, which gives back its part of `places` when it ends. */
	generate(request: GenerationRequest, signal?: AbortSignal, places?: Places): Generation
	/** Mean of the final hidden states (after the last layer norm), not normalised: [nEmbd]. */
	embed(tokenIds: readonly number[], signal?: AbortSignal): Promise<Float32Array>
}

/** Every model that can be asked for. The only door from the HTTP side to models. */
export interface ModelCatalog {
	/** Runs that can be served, newest checkpoint first, the built-in one last. */
	list(): readonly ModelCard[]
	/** Runs that are damaged or incomplete, with reasons. */
	listUnserved(): readonly ModelCard[]
	/** What is in memory, `id@step` where it was asked for so, with the engine's counters of it. */
	loads(): readonly ModelLoad[]
	/** The card of a run by id (or run id of config.json), or undefined. */
	find(name: string): ModelCard | undefined
	/**
	 * Loads the model if necessary and pins it. `undefined` means the first of `list()`.
	 * Throws Fault: `not-found`; `no-room` or `overloaded` when it does not fit; `changing` when it
	 * cannot be read now.
	 */
	acquire(name: string | undefined, signal?: AbortSignal): Promise<ModelLease>

	/**
	 * Looks for what may have come under a name since the last look, unless that is known; without one,
	 * waits until the first look at everything has ended. `acquire` does so by itself.
	 */
	lookFor(name?: string): Promise<void>
	/** Everything about a model of `list()`, or undefined. */
	details(name: string): ModelDetails | undefined
	/** What its training log tells, thinned to at most `pointsMax` points. */
	lossSeries(name: string, pointsMax: number): Promise<LossSeries>
	/** Calls `listener` after each change of the lists or of a state. Returns what ends that. */
	onChange(listener: () => void): () => void
	/** Takes a model out of memory, as soon as nobody uses it; false when it was not loaded. */
	unload(name: string): Promise<boolean>
}

/** No model of that name is being served; `reason` says why not, where that is known. */
export function modelNotFound(name: string, reason?: string): Fault {
	const problem = reason === undefined ? 'does not exist' : `cannot be served: ${reason}`
	const message = `The model ${describeValue(name)} ${problem}.`
	return new Fault('not-found', `${message} GET /v1/models or alpha models lists the models.`)
}
