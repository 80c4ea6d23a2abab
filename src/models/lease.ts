import type { LoadedCheckpoint } from '../checkpoint/load/checkpoint-info.ts'
import type { Engine, PlaceRequest, Places } from '../engine/engine.ts'
import type { GenerationRequest } from '../engine/generation.ts'
import { plainRequest } from '../engine/plain-request.ts'
import { inSlices } from '../lib/steps.ts'
import { createTokenizerSteps } from '../tokenizer/create-tokenizer.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { ModelLease } from './catalog.ts'
import type { Pin } from './residency.ts'

/** A model in memory: known to the engine by its key, to the main thread by its tokenizer. */
export interface ServedModel {
	readonly modelKey: number
	readonly checkpoint: Omit<LoadedCheckpoint, 'arena'>
	readonly tokenizer: Tokenizer
}

/** Gives a loaded checkpoint to the engine. */
export async function serveModel(engine: Engine, loaded: LoadedCheckpoint): Promise<ServedModel> {
	const { arena, ...checkpoint } = loaded
	const { config, dtype, tokenizerSpec } = checkpoint
	const tokenizer = await inSlices(createTokenizerSteps(tokenizerSpec))
	// Our trainer draws ids beyond its tokenizer, too; for others they are padding.
	const tokenCount = config.family === 'alpha' ? config.vocabSize : tokenizerSpec.vocab.length
	const modelKey = await engine.load({ config, tokenCount, dtype, arena })
	return { modelKey, checkpoint, tokenizer }
}

/** One user's hold on a model: the requests it starts run on these weights whatever happens. */
export class Lease implements ModelLease {
	readonly id: string
	readonly trainingStep: number
	readonly tokenizer: Tokenizer
	readonly #engine: Engine
	readonly #pin: Pin<ServedModel>

	constructor(engine: Engine, pin: Pin<ServedModel>, name: { id: string; trainingStep: number }) {
		this.id = name.id
		this.trainingStep = name.trainingStep
		this.tokenizer = pin.model.tokenizer
		this.#engine = engine
		this.#pin = pin
	}

	get config() {
		return this.#pin.model.checkpoint.config
	}

	get fingerprint() {
		const { digest, dtype } = this.#pin.model.checkpoint
		return `${digest}${dtype === 'f32' ? '' : `-${dtype}`}`
	}

	enter(request: PlaceRequest) {
		return this.#engine.enter(this.#pin.model.modelKey, request)
	}

	generate(request: GenerationRequest, signal?: AbortSignal, places?: Places) {
		return this.#engine.generate(this.#pin.model.modelKey, request, signal, places)
	}

	embed(tokenIds: readonly number[], signal?: AbortSignal) {
		const request = plainRequest({ promptTokenIds: tokenIds, maxTokens: 0 })
		return this.#engine.embed(this.#pin.model.modelKey, request, signal)
	}

	[Symbol.dispose](): void {
		this.#pin.release()
	}
}
