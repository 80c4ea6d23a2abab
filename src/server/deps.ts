/** Everything the HTTP side needs, as plain values: `createApp(deps)` reads no globals. */

import type { Refusal } from '../engine/place-queue.ts'
import type { EngineStats } from '../engine/stats.ts'
import type { Log } from '../lib/log.ts'
import type { ModelCatalog } from '../models/catalog.ts'
import type { StoreState } from '../remote/mirror.ts'
import type { TrainingRuns } from '../runs/training-runs.ts'
import type { StagedExport } from '../upload/staged-export.ts'
import type { FileReceipt, PieceReceipt, UploadRequest, UploadResult } from '../upload/upload.ts'
import type { AnswerBudget } from './answer-budget.ts'
import type { ApiKey, KeyLimit } from './auth.ts'
import type { BodyBudget } from './body-budget.ts'
import type { Clients } from './clients.ts'
import type { Connections } from './connections.ts'
import type { Garbage } from './garbage.ts'
import type { ServerMetrics } from './metrics.ts'

import type { ReadinessWatchers } from './readiness-watchers.ts'
import type { RequestRecords } from './request-record.ts'
import type { Span } from './spans.ts'

/** The upload door: who may pass and who receives. */
export interface Uploads {
	/** The value of UPLOAD_SECRET; null refuses every upload with 403. */
	readonly secret: string | null
	/** Stores and verifies the checkpoint; on return the model can be asked for. */
	receive(upload: UploadRequest): Promise<Pick<UploadResult, 'name' | 'step'> | FileReceipt>
	/** Stores a piece of a checkpoint. */
	receivePiece(upload: UploadRequest): Promise<PieceReceipt>
	/** The same as `receive`, of pieces that have been stored. */
	assemble(upload: UploadRequest): Promise<Pick<UploadResult, 'name' | 'step'>>
	/** Moves a run into the trash. */
	remove(name: string): Promise<void>
}

/** Writes models for other tools. */
export interface Exports {
	/** Throws Fault, and the reason of `signal` when that fires. */
	write(name: string, signal: AbortSignal): Promise<StagedExport>
}

/** Training runs: trainers report, people watch. */
export type Trainings = Pick<
	TrainingRuns,
	'report' | 'ready' | 'lookFor' | 'list' | 'find' | 'checkpoints' | 'feed'
>

/** Takes spans without ever keeping a request waiting. */
export interface SpanSink {
	add(spans: readonly Span[]): void
	/** Spans that no collector took. */
	readonly droppedTotal: number
}

/** Traces of requests for a collector of OpenTelemetry. */
export interface Tracing {
	readonly exporter: SpanSink
	/** Of traces that begin here, what is kept, 0 … 1. */
	readonly share: number
}

/** Limits of the HTTP side, units last. */
export interface ServerLimits {
	/** Largest JSON body of a route other than upload. */
	readonly bodyBytesMax: number
	/** All such bodies together, while they are read, wait and run. */
	readonly bodiesBytesMax: number
	/** All long answers together, from their beginning until they have left. */
	readonly answersBytesMax: number
	/** For how long one waits for room among them, in milliseconds. */
	readonly answerWaitMsMax: number
	/** Largest report of a trainer. */
	readonly reportBytesMax: number
	/** Reports that are being read at once, all of them together. */
	readonly reportsBytesMax: number
	/** Who asks with a wrong upload secret is answered so late: some clients ask again without pause. */
	readonly refusalMs: number
	/** Streams of training news at once. */
	readonly watchersMax: number
	/** A stream that is silent this long gets a comment, so that proxies keep it open. */
	readonly pingMs: number
	/** A client that accepts (or, in an upload, sends) no byte this long is cut off. */
	readonly stallSeconds: number
	/** Choices that one prompt may ask for: what runs and what may wait, together. */
	readonly choicesMax: number
	/** Generations that one API key may have under way; without keys there is no such limit. */
	readonly generationsPerKeyMax: number
}

/** Limits unless a caller has reason to differ. */
export const defaultLimits: ServerLimits = {
	bodyBytesMax: 8 * 1024 * 1024,
	bodiesBytesMax: 64 * 1024 * 1024,
	answersBytesMax: 128 * 1024 * 1024,
	answerWaitMsMax: 10_000,
	reportBytesMax: 64 * 1024 * 1024,
	reportsBytesMax: 128 * 1024 * 1024,
	refusalMs: 1000,
	watchersMax: 256,
	pingMs: 15_000,
	stallSeconds: 30,
	choicesMax: 128,
	generationsPerKeyMax: 64,
}

export interface ServerDeps {
	readonly catalog: ModelCatalog
	/** Why a request of this client would be refused whatever is in it; null when it may be read. */
	refusalFor(client: string): Refusal | null
	/** Counters of the engine, for /metrics and /health. */
	engineStats(): EngineStats
	readonly exports: Exports
	readonly uploads: Uploads
	/** How the object store is that runs come from; null when they lie in the directory alone. */
	storeState(): StoreState | null
	/** Where runs are looked for. */
	readonly directory: string
	readonly trainings: Trainings
	/** Keys that open /v1 and /api; empty = open to all. */
	readonly apiKeys: readonly ApiKey[]
	/** Addresses or subnets whose `X-Forwarded-For` is believed. */
	readonly trustedProxies: readonly string[]
	/** Whether clients with different keys share cached prefixes. */
	readonly sharesCache: boolean
	readonly limits: ServerLimits
	readonly version: string
	/** Kernel instruction set in use, for instance `avx512`. */
	readonly isaName: string
	readonly log: Log
	/** Shared with the listener. */
	readonly connections: Connections
	/** Where spans go; null: nobody traces. */
	readonly tracing: Tracing | null
	/** False while the models are loaded that shall be in memory at the start: startup and readiness probes answer 503. */
	isStarted(): boolean
	/** True while the server is going down: readiness probes answer 503. */
	isDraining(): boolean
	/** Told of everybody who asks whether the server is ready. */
	readonly readinessWatchers: ReadinessWatchers
}

/** What routes work with. */
export interface ServerContext extends ServerDeps {
	readonly metrics: ServerMetrics
	readonly clients: Clients
	readonly bodies: BodyBudget
	readonly answers: AnswerBudget
	readonly garbage: Garbage
	readonly records: RequestRecords
	/** Null without keys: then everybody is the same client. */
	readonly keyLimit: KeyLimit | null
}
