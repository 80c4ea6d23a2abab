/*
 * What nanochat's scripts save: `model_<step>.pt` (a state dict) with `meta_<step>.json`, and the
 * tokenizer's `tokenizer.pkl`, a pickled tiktoken encoding. They lie in one directory, or as nanochat keeps
 * them: `chatsft_checkpoints/d20/model_000650.pt` and `tokenizer/tokenizer.pkl`.
 */
import { isRecord } from '../../lib/json.ts'
import { networkName, parseNanochatConfig } from '../../model/families/nanochat.ts'
import { parseNanochatTokenizer } from '../../tokenizer/nanochat.ts'
import type { ByteBpeSpec, TokenizerSpec } from '../../tokenizer/tokenizer.ts'
import { CheckpointError } from './checkpoint-error.ts'
import { networkTensors } from './foreign-tensors.ts'
import type { ModelDirectory } from './model-directory.ts'
import { PICKLE_BYTES_MAX, type PickleValue, readPickle } from './pickle.ts'
import { openTorch, stateDictTensors, TorchTensor } from './torch.ts'
import type { CheckpointFile } from './types.ts'

const MODEL_NAME = /^(?<directory>(?:[^/]+\/){0,2})model_(?<step>\d{1,15})\.pt$/
const TOKENIZER = 'tokenizer.pkl'
const META_BYTES_MAX = 2 ** 22

/** Stages of a training, the last one first: of several, it is the one that is meant. */
const STAGES = [
	'chatrl_checkpoints/',
	'chatsft_checkpoints/',
	'mid_checkpoints/',
	'base_checkpoints/',
]

/** Directories that nanochat makes, in which its files are looked for. */
export const NANOCHAT_DIRECTORY = /^(?:tokenizer|\w+_checkpoints|d\d{1,4})$/

/** One checkpoint: names of files, with the directories in which they lie. */
export interface NanochatFiles {
	readonly step: number
	readonly model: string
	readonly meta: string
	/** null: none is there. */
	readonly tokenizer: string | null
}

/**
 * The checkpoints among names of files, by step: of several directories, those of the last stage's largest
 * model.
 */
export function findNanochat(names: readonly string[]): readonly NanochatFiles[] {
	const models = names.flatMap((name) => {
		const { directory, step } = MODEL_NAME.exec(name)?.groups ?? {}
		if (directory === undefined || !Number.isSafeInteger(Number(step))) return []
		return [{ name, directory, step: Number(step) }]
	})
	const best = models.map(({ directory }) => directory).sort(byStageAndDepth)[0]
	if (best === undefined) return []
	const places = [best, `${best}tokenizer/`, '', 'tokenizer/']
	const tokenizer = places.map((place) => place + TOKENIZER).find((name) => names.includes(name))
	return models
		.filter(({ directory }) => directory === best)
		.map(({ name, step }) => {
			const meta = name.replace(/model_(\d+)\.pt$/, 'meta_$1.json')
			return { step, model: name, meta, tokenizer: tokenizer ?? null }
		})
		.sort((a, b) => a.step - b.step)
}

function byStageAndDepth(a: string, b: string): number {
	const stageOf = (directory: string) => {
		const stage = STAGES.findIndex((name) => directory.startsWith(name))
		return stage === -1 ? STAGES.length : stage
	}
	const depthOf = (directory: string) => Number(/(?:^|\/)d(\d+)\/$/.exec(directory)?.[1] ?? 0)
	return stageOf(a) - stageOf(b) || depthOf(b) - depthOf(a) || (a < b ? -1 : 1)
}

/** Reads the structure of a model: all of it but the numbers. Throws CheckpointError. */
export function openNanochat(directory: ModelDirectory, files: NanochatFiles): CheckpointFile {
	const meta = directory.readJson(files.meta, META_BYTES_MAX)
	if (!isRecord(meta) || !isRecord(meta['model_config'])) {
		const found = meta === undefined ? 'no such file' : 'other values'
		throw new CheckpointError(
			`${files.meta}: expected model_config beside ${files.model}, got ${found}`,
		)
	}
	const settings = meta['model_config']
	const saved = openTorch(directory.open(files.model))
	const shapes = new Map<string, readonly number[]>()
	for (const [name, tensor] of saved instanceof Map ? saved : []) {
		if (typeof name !== 'string' || !(tensor instanceof TorchTensor)) continue
		shapes.set(networkName(name), tensor.shape)
	}
	return {
		form: 'nanochat',
		step: files.step,
		parseConfig: () => parseNanochatConfig(settings, (name) => shapes.get(name)),
		parseTokenizer: () => parseTokenizer(directory, files.tokenizer, settings['vocab_size']),
		tensorsOf: (config) => networkTensors(stateDictTensors(saved, files.model), config, 'nanochat'),
	}
}

function parseTokenizer(
	directory: ModelDirectory,
	name: string | null,
	vocabSize: unknown,
): TokenizerSpec {
	const bytes = name === null ? undefined : directory.readBytes(name, PICKLE_BYTES_MAX)
	if (bytes === undefined) {
		throw new CheckpointError(`tokenizer: expected ${TOKENIZER} with the model, got none`)
	}
	const spec = parseNanochatPickle(bytes)
	if (spec.vocab.length !== vocabSize) {
		throw new CheckpointError(
			`${TOKENIZER}: expected ${vocabSize} tokens by vocab_size, got ${spec.vocab.length}`,
		)
	}
	return spec
}

/** The tokenizer of a `tokenizer.pkl`. Throws an Error that says what was expected and what came. */
export function parseNanochatPickle(bytes: Uint8Array): ByteBpeSpec {
	return parseNanochatTokenizer(readEncoding(bytes))
}

/** A pickled object, whose state is filled in behind it. */
class Encoding {
	state: PickleValue = null
}

/** The state of a pickled `tiktoken.core.Encoding`. */
function readEncoding(bytes: Uint8Array): PickleValue {
	const encoding = readPickle(bytes, {
		calls: new Map([['tiktoken.core Encoding', () => new Encoding()]]),
		build(object, state) {
			if (object instanceof Encoding) object.state = state
		},
	})
	if (encoding instanceof Encoding) return encoding.state
	throw new CheckpointError(`${TOKENIZER}: expected a tiktoken encoding, got another value`)
}
