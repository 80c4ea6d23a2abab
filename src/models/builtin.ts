import type { CheckpointLocation } from '../checkpoint/load/messages.ts'
import type { RunConfig } from '../checkpoint/store/run-config.ts'
import { lastLossOf, thinLossSeries } from '../checkpoint/store/training-log.ts'
import {
	type CheckpointFacts,
	contextLengthOf,
	type ModelSource,
	type SourceModel,
} from './source.ts'

/** The model that travels inside the executable. */
export interface BuiltinFiles {
	readonly id: string
	readonly trainingStep: number
	/** Epoch milliseconds. */
	readonly mtimeMs: number
	readonly config: RunConfig
	/** Text of its training log. */
	readonly trainingLog: string
	readonly checkpointBytes: number
	/** What reading its checkpoint would show: to read it for that would cost memory at rest. */
	readonly facts: CheckpointFacts
	/** Its checkpoint, in shared memory so that the loader gets it without a copy. */
	readCheckpoint(): Promise<Uint8Array<SharedArrayBuffer>>
}

const KEY = 'builtin'

/** The built-in model as a source: one model of one step that never changes. */
export function builtinSource(files: BuiltinFiles): ModelSource {
	const { id, trainingStep } = files
	const current = builtinModel(files, id)
	const pinned = builtinModel(files, `${id}@${trainingStep}`)
	return {
		models: () => [current],
		unserved: () => [],
		lists: (name) => name === id,
		find(name, step) {
			if (name !== id) return undefined
			if (step === undefined) return current
			return step === trainingStep ? pinned : undefined
		},
		resolveAlias: () => undefined,
		newestKnown: async () => {},
		ready: async () => {},
		lookFor: async () => {},
		onChange: () => {},
	}
}

function builtinModel(files: BuiltinFiles, id: string): SourceModel {
	const { trainingStep, mtimeMs, config, trainingLog, checkpointBytes } = files
	const { domain, modelConfig, trainConfig } = config
	return {
		key: KEY,
		card: {
			id,
			trainingStep,
			mtimeMs,
			lastLoss: lastLossOf(trainingLog),
			domain,
			modelConfig,
			trainConfig,
			steps: [trainingStep],
			reason: null,
			contextLength: contextLengthOf(modelConfig),
			isBuiltin: true,
		},
		checkpointBytes,
		info: null,
		facts: files.facts,
		locate: async (): Promise<CheckpointLocation> => {
			return { type: 'memory', bytes: await files.readCheckpoint() }
		},
		reportDamage: async () => {},
		refresh: async () => {},
		lossSeries: async (pointsMax) => thinLossSeries(trainingLog.split('\n'), pointsMax),
	}
}
