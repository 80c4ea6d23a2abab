/** The protocol between the loader's façade (main thread) and its worker. */
import type { Chunked } from '../../lib/chunked-lists.ts'
import type { FaultKind } from '../../lib/fault.ts'
import type { DtypeChoice } from '../../model/model-config.ts'
import type { ExportRequest } from '../exports/export.ts'
import type { ExportReport } from '../exports/export-report.ts'
import type { ModelFile } from '../formats/model-directory.ts'
import type { CheckpointInfo, LoadedCheckpoint } from './checkpoint-info.ts'

/**
 * Where a checkpoint's bytes are: in a file, in some files of another trainer's directory, or in memory,
 * best shared, for the built-in one. A file in another state than that of its `identity` is
 * `unreadable`.
 */
export type CheckpointLocation =
	| { readonly type: 'file'; readonly path: string; readonly identity?: string }
	| { readonly type: 'directory'; readonly path: string; readonly files: readonly ModelFile[] }
	| { readonly type: 'memory'; readonly bytes: Uint8Array }

export type LoadRequest =
	/** `inspect` reads structure, `verify` also every number, `load` packs them. */
	| {
			readonly type: 'inspect' | 'verify' | 'load'
			readonly location: CheckpointLocation
			readonly dtype: DtypeChoice
	  }
	| {
			readonly type: 'export'
			readonly location: CheckpointLocation
			readonly export: ExportRequest
			/** An int32 that becomes 1 when nobody waits for it any more. */
			readonly unwanted: SharedArrayBuffer
	  }

export type ToLoader =
	| { readonly type: 'start'; readonly libraryPath: string; readonly isa: string }
	| { readonly type: 'request'; readonly requestId: number; readonly request: LoadRequest }

/**
 * Why a request failed, a Fault in messages: the file is `invalid` or `unreadable`, there is `no-room`
 * for its weights, or it is our own `bug`.
 */
export interface LoadFailure {
	readonly kind: FaultKind
	readonly message: string
}

export type FromLoader =
	| { readonly type: 'inspected'; readonly requestId: number; readonly info: CheckpointInfo }
	| {
			readonly type: 'loaded'
			readonly requestId: number
			readonly model: Chunked<LoadedCheckpoint>
	  }
	| { readonly type: 'exported'; readonly requestId: number; readonly report: ExportReport }
	| { readonly type: 'failed'; readonly requestId: number; readonly failure: LoadFailure }
