/** What a trainer tells about a run, in the terms of this folder; the wire's own are in `alpha/`. */

export type JsonObject = Readonly<Record<string, unknown>>

export type EventLevel = 'debug' | 'info' | 'warn' | 'error'

/** Something that happened in a training, as a line of events.jsonl has it. */
export interface TrainingEvent {
	readonly step: number | null
	readonly level: EventLevel
	/** What kind of thing, for instance `checkpoint_saved`. */
	readonly kind: string
	readonly message: string
	readonly payload: unknown
	/** ISO 8601. */
	readonly timestamp: string
}

/** What the model wrote to the sample prompts, as a line of samples.jsonl has it. */
export interface SampleSet {
	readonly step: number | null
	readonly samples: readonly { readonly prompt: string; readonly output: string }[]
	/** The trainer's view of where the loss is going: plateau, overfitting. */
	readonly trend: unknown
	/** ISO 8601. */
	readonly timestamp: string
}

/** What a run says of itself when it starts. */
export interface RunStart {
	readonly type: 'run_start'
	readonly runId: string
	readonly domain: string | null
	readonly modelConfig: JsonObject
	readonly trainConfig: JsonObject
	readonly totalParams: number | null
	/** The machine that trains. */
	readonly infra: JsonObject
}

export type Report =
	| RunStart
	/** One JSON object a line, each with a step. */
	| { readonly type: 'metrics'; readonly runId: string; readonly points: readonly JsonObject[] }
	| { readonly type: 'events'; readonly runId: string; readonly events: readonly TrainingEvent[] }
	| { readonly type: 'samples'; readonly runId: string; readonly sampleSet: SampleSet }
	| { readonly type: 'heartbeat'; readonly runId: string; readonly step: number | null }
	| {
			readonly type: 'complete'
			readonly runId: string
			readonly finalStep: number | null
			readonly isFailed: boolean
	  }
