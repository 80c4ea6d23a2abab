/*
 * Weights alone, as `torch.save(model.state_dict())` or safetensors, beside a config.json that tells what
 * they belong to: of Hugging Face's form, or the settings of nanoGPT, minGPT or the GPT model of Raschka's
 * book "Build a Large Language Model (From Scratch)".
 */
import { describeValue, isRecord } from '../../lib/json.ts'
import type { ForeignTrainer } from '../../model/families/family.ts'
import { parseForeignConfig } from '../../model/families.ts'
import { CheckpointError } from './checkpoint-error.ts'
import { networkTensors } from './foreign-tensors.ts'
import { CONFIG_BYTES_MAX, huggingFaceTokenizer } from './huggingface.ts'
import type { ModelDirectory } from './model-directory.ts'
import { nanoGptTokenizer } from './nanogpt.ts'
import type { PickleValue } from './pickle.ts'
import { openSafetensors } from './safetensors.ts'
import { openTorch, stateDictTensors } from './torch.ts'
import type { CheckpointFile, StoredTensor } from './types.ts'

/** What training scripts save beside a model. */
const OTHER_STATES = /^(?:optimizer|scheduler|scaler|rng_state|training_args)/

/** Keys under which scripts put a model's state when they save others with it. */
const MODEL_KEYS = ['model_state_dict', 'state_dict', 'model']

/** Any of them is a tokenizer of Hugging Face's libraries. */
const TOKENIZER_FILES = ['tokenizer.json', 'vocab.json', 'tokenizer.model']

/** The file of these names that holds the weights: safetensors first, then names that begin with `model`. */
export function findStateDict(names: readonly string[]): string | undefined {
	const rank = (name: string) =>
		(name.endsWith('.safetensors') ? 0 : 2) + Number(!/^model/.test(name))
	return names
		.filter((name) => /\.(?:pt|pth|safetensors)$/.test(name) && !OTHER_STATES.test(name))
		.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))[0]
}

/** Reads the structure of a model: all of it but the numbers. Throws CheckpointError. */
export function openStateDict(directory: ModelDirectory, name: string): CheckpointFile {
	const config = directory.readJson('config.json', CONFIG_BYTES_MAX)
	if (!isRecord(config)) {
		throw new CheckpointError(`config.json: expected an object, got ${describeValue(config)}`)
	}
	const source = directory.open(name)
	const stored = name.endsWith('.safetensors')
		? openSafetensors(source)
		: stateDictTensors(modelState(openTorch(source)), name)
	const { settings, writer, names } = originOf(config, stored)
	const parseConfig = () => parseForeignConfig(settings, writer)
	return {
		form: 'state-dict',
		step: undefined,
		parseConfig,
		parseTokenizer: () =>
			TOKENIZER_FILES.some((file) => directory.has(file))
				? huggingFaceTokenizer(directory, config)
				: nanoGptTokenizer(directory, parseConfig().vocabSize),
		tensorsOf: (parsed) => networkTensors(stored, parsed, names),
	}
}

function modelState(saved: PickleValue): PickleValue {
	if (!(saved instanceof Map)) return saved
	return MODEL_KEYS.map((key) => saved.get(key)).find((value) => value instanceof Map) ?? saved
}

interface Origin {
	readonly settings: Readonly<Record<string, unknown>>
	/** Whose settings they are. */
	readonly writer: ForeignTrainer
	/** Whose names and layout the tensors have. */
	readonly names: ForeignTrainer
}

/** Throws CheckpointError where the config is nobody's that we know. */
function originOf(
	config: Readonly<Record<string, unknown>>,
	stored: ReadonlyMap<string, StoredTensor>,
): Origin {
	if ('emb_dim' in config) return { settings: config, writer: 'raschka', names: 'raschka' }
	const { model, model_type: type } = config
	// minGPT's scripts write the settings of all their parts, and sizes that the data decide as null.
	const minGpt = isRecord(model) ? model : isMinGptType(type) ? config : undefined
	if (minGpt !== undefined) {
		return { settings: completed(minGpt, stored), writer: 'mingpt', names: 'mingpt' }
	}
	if (typeof type === 'string') {
		const isLinear = type === 'gpt2' && !hasConv1d(stored)
		return { settings: config, writer: 'huggingface', names: isLinear ? 'nanogpt' : 'huggingface' }
	}
	if ('n_embd' in config && 'bias' in config) {
		return { settings: config, writer: 'nanogpt', names: 'nanogpt' }
	}
	throw new CheckpointError(
		'config.json: model_type: expected it, or the settings of nanoGPT (n_embd, bias, …), minGPT (model) ' +
			"or of Raschka's book (emb_dim, …), got none of these",
	)
}

function isMinGptType(type: unknown): boolean {
	return typeof type === 'string' && /^(?:gpt-|gopher-|openai-gpt)/.test(type)
}

/** GPT-2 of Hugging Face stores matrices as [in, out], all others as [out, in]. */
function hasConv1d(stored: ReadonlyMap<string, StoredTensor>): boolean {
	const tensor = [...stored.values()].find(({ name }) => name.endsWith('attn.c_attn.weight'))
	const [rows, columns] = Array.isArray(tensor?.shape) ? (tensor.shape as unknown[]) : []
	return Number(rows) < Number(columns)
}

/** Sizes that minGPT takes from the data set, from the tables that have them. */
function completed(
	settings: Readonly<Record<string, unknown>>,
	stored: ReadonlyMap<string, StoredTensor>,
): Readonly<Record<string, unknown>> {
	const rowsOf = (table: string): unknown => {
		const tensor = [...stored.values()].find(({ name }) => name.endsWith(`${table}.weight`))
		return Array.isArray(tensor?.shape) ? tensor.shape[0] : null
	}
	return {
		...settings,
		vocab_size: settings['vocab_size'] ?? rowsOf('wte'),
		block_size: settings['block_size'] ?? rowsOf('wpe'),
	}
}
