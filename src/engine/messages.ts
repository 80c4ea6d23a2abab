/** The protocol between the engine's façade (main thread) and its worker. */
import type { Dtype, ModelConfig } from '../model/model-config.ts'
import type { GenerationRequest, TokenLogprob } from './generation.ts'

/** Limits of one loaded model; they size its buffers. */
export interface RunnerLimits {
	/** Rows of one step; at least `sequencesMax`. */
	readonly rowsMax: number
	/** Rows of a step that may read while other sequences are decoding, unless more sequences run. */
	readonly readingRowsMax: number
	/** Sequences that run at once. */
	readonly sequencesMax: number
	/** Bytes for keys and values; at least one full context is always given. */
	readonly kvBytesMax: number
}

export interface LoadModel {
	readonly modelKey: number
	readonly config: ModelConfig
	readonly dtype: Dtype
	/** Packed weights by `weightLayout`. */
	readonly arena: SharedArrayBuffer
	readonly limits: RunnerLimits
}

export type ToWorker =
	| {
			readonly type: 'start'
			readonly libraryPath: string
			/** Instruction set by the kernels' name; '' = the best that runs here. */
			readonly isa: string
			readonly threads: number
			/** One counter: messages sent to the worker so far. It looks there between two steps. */
			readonly inbox: SharedArrayBuffer
			/** `EngineStats` as float64, in the order of `STATS_FIELDS`. */
			readonly stats: SharedArrayBuffer
	  }
	| ({ readonly type: 'load' } & LoadModel)
	| { readonly type: 'unload'; readonly modelKey: number }
	| {
			readonly type: 'submit'
			readonly requestId: number
			readonly modelKey: number
			readonly request: GenerationRequest
	  }
	| {
			readonly type: 'embed'
			readonly requestId: number
			readonly modelKey: number
			readonly request: GenerationRequest
	  }
	| {
			readonly type: 'stop-choice'
			readonly requestId: number
			readonly modelKey: number
			readonly choice: number
	  }
	| {
			readonly type: 'allow'
			readonly requestId: number
			readonly modelKey: number
			readonly choice: number
			readonly mask: Uint32Array
	  }
	| { readonly type: 'abort'; readonly requestId: number; readonly modelKey: number }

export interface PromptReport {
	readonly requestId: number
	readonly promptTokens: number
	readonly cachedTokens: number
	readonly logprobs: readonly (TokenLogprob | null)[] | null
}

/** What one step produced, in the order in which a request's events must be told. */
export interface StepOutput {
	readonly prompts: readonly PromptReport[]
	/** Triples: request id, choice, token id. */
	readonly tokens: Int32Array
	/** Per token, where any of them was asked for; else null. */
	readonly logprobs: readonly (TokenLogprob | null)[] | null
	/** Triples: request id, choice, 0 = stop or 1 = length. */
	readonly finishes: Int32Array
	/** Somebody waits for this: a first token, an end, or a constrained choice for its next mask. */
	readonly isUrgent: boolean
	readonly embeddings: readonly { readonly requestId: number; readonly mean: Float32Array }[]
}

export const FINISH_CODES = ['stop', 'length'] as const

export type FromWorker =
	| { readonly type: 'ready' }
	| { readonly type: 'loaded'; readonly modelKey: number }
	| { readonly type: 'load-failed'; readonly modelKey: number; readonly message: string }
	| { readonly type: 'unloaded'; readonly modelKey: number }
	| { readonly type: 'steps'; readonly outputs: readonly StepOutput[] }
	/** These requests are lost; a bug, told to the log. */
	| {
			readonly type: 'failure'
			readonly requestIds: readonly number[]
			readonly message: string
	  }
