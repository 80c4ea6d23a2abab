import type { CheckpointInfo } from '../checkpoint/load/checkpoint-info.ts'
import type { CheckpointLocation } from '../checkpoint/load/messages.ts'
import type { LossSeries } from '../checkpoint/store/training-log.ts'
import type { ModelConfig } from '../model/model-config.ts'
import type { ModelCard } from './catalog.ts'

/** What is told of a checkpoint, however it is loaded. */
export interface CheckpointFacts
	extends Pick<CheckpointInfo, 'form' | 'tokenizer' | 'parameterCount'> {
	readonly config: Pick<ModelConfig, 'family'>
}

/** One checkpoint of a source: what a name stands for at this moment. */
export interface SourceModel {
	/** Names these very bytes: another checkpoint has another key. */
	readonly key: string
	/** `card.id` is the id that answers: `id`, or `id@step` when asked for so. */
	readonly card: SourceCard
	readonly checkpointBytes: number
	/** What reading the checkpoint's structure has shown; null until that has happened. */
	readonly info: CheckpointInfo | null
	/** The same as far as it is known before. */
	readonly facts: CheckpointFacts | null
	/** Where the loader finds the bytes. */
	locate(): Promise<CheckpointLocation>
	/** Loading has shown the checkpoint to be damaged; resolves when the source has taken that in. */
	reportDamage(reason: string): Promise<void>
	/** Its bytes were not what was expected: resolves when the source has looked again. */
	refresh(): Promise<void>
	/** What was logged while it was trained, thinned to `pointsMax` points. */
	lossSeries(pointsMax: number): Promise<LossSeries>
}

/** A card without what the registry knows: whether the model is in memory, and what was read of it. */
export type SourceCard = Omit<ModelCard, 'state' | 'format' | 'family'>

/**
 * Where models come from: runs in the checkpoints directory, the built-in model, or files of other
 * trainers. Answers from memory; an id stands for at most one model.
 */
export interface ModelSource {
	/** Models that can be asked for by bare id, in the order of listings. */
	models(): readonly SourceModel[]
	/** What is there but cannot be served, with reasons. */
	unserved(): readonly ModelCard[]
	/** True for every id of `models()` and `unserved()`. */
	lists(id: string): boolean
	/** The model of that very id: its current checkpoint, or the one of `trainingStep`. */
	find(id: string, trainingStep?: number): SourceModel | undefined
	/** The id that another name stands for, such as a run id of config.json. */
	resolveAlias(alias: string): string | undefined
	/** Resolves when `models()` begins with the model that it will begin with. */
	newestKnown(): Promise<void>
	/** Resolves when the first look at what there is has ended. */
	ready(): Promise<void>
	/** Looks for what may have come under this name since the last look. */
	lookFor(name: string): Promise<void>
	/** Calls `listener` after each change of what there is. */
	onChange(listener: () => void): void
}

/** Context length as config.json has it; null when it does not say. */
export function contextLengthOf(modelConfig: ModelCard['modelConfig']): number | null {
	const blockSize = modelConfig['blockSize']
	return Number.isSafeInteger(blockSize) ? (blockSize as number) : null
}
