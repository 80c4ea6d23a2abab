/** The protocol between the loader's façade (main thread) and its worker. */
import type { Dtype } from '../../model/model-config.ts'
import type { CheckpointInfo, LoadedCheckpoint } from './checkpoint-info.ts'

/** Where a checkpoint's bytes are. The embedded one travels as bytes, best over shared memory. */
export type CheckpointLocation =
	| { readonly type: 'file'; readonly path: string }
	| { readonly type: 'memory'; readonly bytes: Uint8Array }

export interface LoadRequest {
	/** `inspect` reads structure, `verify` also every number, `load` packs them. */
	readonly type: 'inspect' | 'verify' | 'load'
	readonly location: CheckpointLocation
	readonly dtype: Dtype
}

export type ToLoader =
	| { readonly type: 'start'; readonly libraryPath: string; readonly isa: string }
	| { readonly type: 'request'; readonly requestId: number; readonly request: LoadRequest }

/**
 * Why a request failed: the file is `invalid` or `unreadable` (public messages), there is not enough
 * `memory` for its weights, or it is our own fault (`bug`: for the log only).
 */
export interface LoadFailure {
	readonly fault: 'invalid' | 'unreadable' | 'memory' | 'bug'
	readonly message: string
}

export type FromLoader =
	| { readonly type: 'inspected'; readonly requestId: number; readonly info: CheckpointInfo }
	| { readonly type: 'loaded'; readonly requestId: number; readonly model: LoadedCheckpoint }
	| { readonly type: 'failed'; readonly requestId: number; readonly failure: LoadFailure }
