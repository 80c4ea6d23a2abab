/** The protocol between the engine's façade (main thread) and its worker. */
import { assert } from '../lib/assert.ts'
import type { Dtype, ModelConfig } from '../model/model-config.ts'
import type { FinishReason, GenerationRequest, StopToken, TokenLogprob } from './generation.ts'
import type { SentRow } from './sent-rows.ts'

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
	/** Which models' tokens are guessed ahead. */
	readonly guessing: Guessing
}

/** Guessing tokens ahead pays where a step takes hardly longer for some rows more. */
export interface Guessing {
	/** Bytes of weights from which on it is tried: those that a processor's cache cannot hold. */
	readonly weightBytesMin: number
	/** What a row more costs is measured when the model is loaded, unless others run meanwhile; or assumed. */
	readonly costs: 'measured' | 'assumed'
}

export interface LoadModel {
	readonly modelKey: number
	readonly config: ModelConfig
	/** Ids from this one on only pad the tables: they are never drawn. At most `config.vocabSize`. */
	readonly tokenCount: number
	readonly dtype: Dtype
	/** Packed weights by `weightLayout`. */
	readonly arena: SharedArrayBuffer
	readonly limits: RunnerLimits
}

/** What the worker may be doing, for the log when it does not come back from it. */
export const ACTIVITIES = [
	'waiting',
	'reading messages',
	'scheduling',
	'computing',
	'drawing',
	'committing',
	'loading a model',
] as const
export type Activity = (typeof ACTIVITIES)[number]

/** Numbers of the shared inbox. */
export const INBOX_LENGTH = 4

export type ToWorker =
	| {
			readonly type: 'start'
			readonly libraryPath: string
			/** Instruction set by the kernels' name; '' = the best that runs here. */
			readonly isa: string
			readonly threads: number
			/**
			 * `INBOX_LENGTH` numbers: messages sent to the worker so far, at which it looks between two steps;
			 * what it is doing, an index of `ACTIVITIES`; reports of steps that the main thread has read; and
			 * rows of the last step.
			 */
			readonly inbox: SharedArrayBuffer
			/** `EngineStats` as float64, in the order of `STATS_FIELDS`. */
			readonly stats: SharedArrayBuffer
	  }
	/** To be answered with a pong: the thread is alive. */
	| { readonly type: 'ping' }
	| ({
			readonly type: 'load'
			/** `WorkerStats` of this model, as float64. */
			readonly stats: SharedArrayBuffer
	  } & LoadModel)
	| { readonly type: 'unload'; readonly modelKey: number }
	| {
			readonly type: 'submit'
			readonly requestId: number
			readonly modelKey: number
			readonly request: GenerationRequest
			/** Its client has nothing else running: its first token comes before the next ones of the others. */
			readonly goesFirst: boolean
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
	/** Rows of constrained decoding, which stay until all are to be forgotten. */
	| { readonly type: 'rows'; readonly modelKey: number; readonly rows: readonly SentRow[] }
	| { readonly type: 'forget-rows'; readonly modelKey: number }
	/** Where a constrained choice is; sent where the worker cannot know it. */
	| {
			readonly type: 'move-to'
			readonly requestId: number
			readonly modelKey: number
			readonly choice: number
			readonly stateId: number
	  }
	| { readonly type: 'abort'; readonly requestId: number; readonly modelKey: number }
	/** Its choices shall give back their blocks until they are resumed. */
	| { readonly type: 'park'; readonly requestId: number; readonly modelKey: number }
	| { readonly type: 'resume'; readonly requestId: number; readonly modelKey: number }

/** What one step did, in the order in which a request's events must be told. */
export interface StepReport {
	readonly prompts: readonly {
		readonly requestId: number
		readonly promptTokens: number
		readonly cachedTokens: number
		readonly logprobs: readonly (TokenLogprob | null)[] | null
	}[]
	readonly tokens: readonly {
		readonly requestId: number
		readonly choice: number
		readonly tokenId: number
		readonly logprob: TokenLogprob | null
	}[]
	readonly finishes: readonly {
		readonly requestId: number
		readonly choice: number
		readonly finishReason: FinishReason
		readonly stopToken: StopToken | null
	}[]
	readonly embeddings: readonly { readonly requestId: number; readonly mean: Float32Array }[]
	/** Somebody waits for this: a first token, an end, or a constrained choice for a row. */
	readonly isUrgent: boolean
	/** It has nothing but first tokens of who goes first: may be told before what others have from earlier steps. */
	readonly goesFirst: boolean
}

/**
 * What some steps did, as it crosses threads: many small objects would cost more than the steps themselves. First all
 * prompts, then all tokens, then all ends: so each request's own are in order.
 */
export interface EncodedSteps extends Pick<StepReport, 'prompts' | 'embeddings'> {
	/** Three numbers each: request id, choice, token id. */
	readonly tokens: Int32Array
	/** By token, where any of them has one; else null. */
	readonly logprobs: readonly (TokenLogprob | null)[] | null
	/** Four numbers each: request id, choice, index among `FINISH_REASONS`, stop token or -1. */
	readonly finishes: Int32Array
	/** By finish, where any of their stop tokens has one; else null. */
	readonly stopLogprobs: readonly (TokenLogprob | null)[] | null
}

const FINISH_REASONS: readonly FinishReason[] = ['stop', 'length']

export function encodeSteps(steps: readonly StepReport[]): EncodedSteps {
	const tokens = steps.flatMap((step) => step.tokens)
	const finishes = steps.flatMap((step) => step.finishes)
	return {
		prompts: steps.flatMap((step) => step.prompts),
		embeddings: steps.flatMap((step) => step.embeddings),
		tokens: new Int32Array(
			tokens.flatMap(({ requestId, choice, tokenId }) => [requestId, choice, tokenId]),
		),
		logprobs: tokens.some(({ logprob }) => logprob !== null)
			? tokens.map(({ logprob }) => logprob)
			: null,
		finishes: new Int32Array(
			finishes.flatMap(({ requestId, choice, finishReason, stopToken }) => {
				const tokenId = stopToken?.tokenId ?? -1
				return [requestId, choice, FINISH_REASONS.indexOf(finishReason), tokenId]
			}),
		),
		stopLogprobs: finishes.some(({ stopToken }) => stopToken?.logprob)
			? finishes.map(({ stopToken }) => stopToken?.logprob ?? null)
			: null,
	}
}

export function decodeSteps(steps: EncodedSteps): Omit<StepReport, 'isUrgent' | 'goesFirst'> {
	const { tokens, logprobs, finishes, stopLogprobs, ...rest } = steps
	return {
		...rest,
		tokens: Array.from({ length: tokens.length / 3 }, (_, i) => ({
			requestId: tokens[i * 3]!,
			choice: tokens[i * 3 + 1]!,
			tokenId: tokens[i * 3 + 2]!,
			logprob: logprobs?.[i] ?? null,
		})),
		finishes: Array.from({ length: finishes.length / 4 }, (_, i) => {
			const finishReason = FINISH_REASONS[finishes[i * 4 + 2]!]
			assert(finishReason, 'the worker sends known finish reasons')
			const tokenId = finishes[i * 4 + 3]!
			const stopToken = tokenId < 0 ? null : { tokenId, logprob: stopLogprobs?.[i] ?? null }
			return { requestId: finishes[i * 4]!, choice: finishes[i * 4 + 1]!, finishReason, stopToken }
		}),
	}
}

export type FromWorker =
	/** With the number by which the worker's stack can be asked for. */
	| { readonly type: 'ready'; readonly thread: number }
	| { readonly type: 'pong' }
	| { readonly type: 'loaded'; readonly modelKey: number }
	| { readonly type: 'load-failed'; readonly modelKey: number; readonly message: string }
	| { readonly type: 'unloaded'; readonly modelKey: number }
	/** Those that go first are not counted among the reports that the worker may send ahead. */
	| { readonly type: 'steps'; readonly steps: EncodedSteps; readonly goesFirst: boolean }
	/** These requests are lost; a bug, told to the log. */
	| {
			readonly type: 'failure'
			readonly requestIds: readonly number[]
			readonly message: string
	  }
