/*
 * Models of other trainers as the store sees them: a directory is one checkpoint, told by the names in
 * it, and changes when one of its files does.
 */
import { join } from 'node:path'
import { isGgufName } from '../formats/gguf.ts'
import { isLlama2cName, LLAMA2C_TOKENIZERS } from '../formats/llama2c.ts'
import { findNanochat, NANOCHAT_DIRECTORY, type NanochatFiles } from '../formats/nanochat.ts'
import { isNanoGptCheckpoint, NANOGPT_META } from '../formats/nanogpt.ts'
import { findStateDict } from '../formats/state-dict.ts'
import { SHARD_NAME, WEIGHT_FILES } from '../formats/weight-files.ts'
import {
	type CheckpointVersion,
	IDENTITY_SEPARATOR,
	isSeenAgain,
	lookAgain,
} from './checkpoint-version.ts'
import { findModelArrivalFault } from './completeness.ts'
import { lookAt, namesIn } from './files.ts'
import { CONFIG_NAME, stepOfDirectory, TRAINER_STATE_NAME } from './names.ts'
import { hasSettled, SETTLE_MS, seenRest } from './rest.ts'

/** Files beside the weights that Hugging Face's libraries write. */
const HUGGING_FACE_FILES = [
	CONFIG_NAME,
	'generation_config.json',
	'tokenizer.json',
	'chat_template.jinja',
	'special_tokens_map.json',
	'tokenizer.model',
	'tokenizer_config.json',
	'vocab.json',
	'merges.txt',
]

/** The files of one model: its weights first. */
export interface ModelFiles {
	readonly weights: readonly string[]
	readonly others: readonly string[]
	/** Names of all that may stand beside the weights. */
	readonly companions: readonly string[]
	/** Others than Hugging Face keep their configuration elsewhere than in config.json. */
	readonly needsConfig: boolean
}

/** The files that make a model of another trainer, by the names of a directory; null when none do. */
export function findModelFiles(names: readonly string[]): ModelFiles | null {
	const present = new Set(names)
	const weights = WEIGHT_FILES.find((name) => present.has(name))
	if (weights !== undefined) {
		const shards = weights.endsWith('.index.json') ? names.filter((n) => SHARD_NAME.test(n)) : []
		return withCompanions([weights, ...shards.sort()], HUGGING_FACE_FILES, present, true)
	}
	const gguf = names.filter(isGgufName).sort()[0]
	if (gguf !== undefined) return withCompanions([gguf], [], present, false)
	const checkpoint = names.filter(isNanoGptCheckpoint).sort()[0]
	if (checkpoint !== undefined) return withCompanions([checkpoint], [NANOGPT_META], present, false)
	const stateDict = present.has(CONFIG_NAME) ? findStateDict(names) : undefined
	if (stateDict === undefined) return findLlama2c(names)
	return withCompanions([stateDict], [...HUGGING_FACE_FILES, NANOGPT_META], present, true)
}

function withCompanions(
	weights: readonly string[],
	companions: readonly string[],
	present: ReadonlySet<string>,
	needsConfig: boolean,
): ModelFiles {
	return {
		weights,
		others: companions.filter((name) => present.has(name)),
		companions,
		needsConfig,
	}
}

/** The files of the one model of a directory that holds no other: a checkpoint of nanochat, too. */
export function findSingleModel(names: readonly string[]): ModelFiles | null {
	const [nanochat] = findNanochat(names)
	return findModelFiles(names) ?? (nanochat ? nanochatFiles(nanochat, new Set(names)) : null)
}

function nanochatFiles(
	{ model, meta, tokenizer }: NanochatFiles,
	present: ReadonlySet<string>,
): ModelFiles {
	return withCompanions([model], tokenizer === null ? [meta] : [meta, tokenizer], present, false)
}

/** Whatever else ends in `.bin` is llama2.c's where no config.json says that it is of another tool. */
function findLlama2c(names: readonly string[]): ModelFiles | null {
	const weights = names.filter(isLlama2cName).sort()[0]
	if (weights === undefined || names.includes(CONFIG_NAME)) return null
	return withCompanions([weights], LLAMA2C_TOKENIZERS, new Set(names), false)
}

/**
 * Looks at a model's files; null when its weights are gone, unreadable or no regular files. `known` is
 * what was seen last.
 */
export async function lookAtModel(
	path: string,
	{ weights, others, companions }: ModelFiles,
	at: { step: number; resting: boolean; known: CheckpointVersion | undefined },
): Promise<CheckpointVersion | null> {
	const files = [...weights, ...others]
	const paths = files.map((name) => join(path, name))
	const states = await Promise.all(paths.map(lookAt))
	const found = states.flatMap((state) => (state.type === 'file' ? [state] : []))
	if (found.length < states.length) return null
	const identity = found.map((state) => state.identity).join(IDENTITY_SEPARATOR)
	const { known, resting, step } = at
	// While a file may still change, it may be in a writer's hands: look again.
	if (isSeenAgain(known, { identity, step }) && known.fault === null) return known
	const weightStates = found.slice(0, weights.length)
	const seen = {
		step,
		path,
		files,
		identity,
		sizeBytes: weightStates.reduce((sum, state) => sum + state.sizeBytes, 0),
		mtimeMs: Math.max(...weightStates.map((state) => state.mtimeMs)),
	}
	return lookAgain(seen, known, {
		// Between two files that are given their names, nothing tells that another one is to come.
		hasSettled: (since, isRewritten) =>
			resting ||
			(found.every((state) => hasSettled(state, since)) &&
				!(isRewritten && seenRest(since) < SETTLE_MS)),
		findArrivalFault: (rewrittenRestMs) =>
			findModelArrivalFault(paths, companions, rewrittenRestMs),
	})
}

/** A model in a step directory of a training. */
export interface StepModel {
	/** Of its directory. */
	readonly name: string
	readonly step: number
	readonly files: ModelFiles
	/** Trainer tells beside it what was logged. */
	readonly hasTrainerState: boolean
}

/** Models in the step directories of a training, by step. */
export async function findStepModels(
	path: string,
	names: readonly string[],
): Promise<readonly StepModel[]> {
	const found = await Promise.all(
		names.map(async (name) => {
			const step = stepOfDirectory(name)
			if (step === undefined) return []
			if ((await lookAt(join(path, name))).type !== 'directory') return []
			const inside = await namesIn(join(path, name))
			const files = findSingleModel(inside)
			const hasTrainerState = inside.includes(TRAINER_STATE_NAME)
			return files === null ? [] : [{ name, step, files, hasTrainerState }]
		}),
	)
	return found.flat().sort((a, b) => a.step - b.step)
}

/** Checkpoints of nanochat: of a directory of them, or of nanochat's own tree of directories. */
export async function findNanochatModels(
	path: string,
	names: readonly string[],
): Promise<{ step: number; files: ModelFiles }[]> {
	const within = async (directory: string): Promise<string[]> => {
		if ((await lookAt(join(path, directory))).type !== 'directory') return []
		const found = await namesIn(join(path, directory))
		return found.map((name) => `${directory}/${name}`)
	}
	const isDirectory = (name: string) => NANOCHAT_DIRECTORY.test(name.replace(/^.*\//, ''))
	const inner = (await Promise.all(names.filter(isDirectory).map(within))).flat()
	const innermost = (await Promise.all(inner.filter(isDirectory).map(within))).flat()
	const all = new Set([...names, ...inner, ...innermost])
	return findNanochat([...all]).map((each) => ({
		step: each.step,
		files: nanochatFiles(each, all),
	}))
}
