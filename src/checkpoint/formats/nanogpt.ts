/*
 * A directory of nanoGPT's train.py: `ckpt.pt` with model, model_args and iter_num; at character level
 * the data set's `meta.pkl` (stoi, itos) beside it. Without one, a vocabulary of GPT-2's size is GPT-2's.
 */
import type { Kernels } from '../../kernels/binding.ts'
import { describeValue, isRecord } from '../../lib/json.ts'
import { parseForeignConfig } from '../../model/families.ts'
import { GPT2_VOCAB_SIZE, gpt2Tokenizer } from '../../tokenizer/gpt2-vocabulary.ts'
import type { TokenizerSpec } from '../../tokenizer/tokenizer.ts'
import { CheckpointError } from './checkpoint-error.ts'
import { networkTensors } from './foreign-tensors.ts'
import type { ModelDirectory } from './model-directory.ts'
import { PICKLE_BYTES_MAX, type PickleValue, readPickle } from './pickle.ts'
import { openTorch, stateDictTensors, TorchTensor } from './torch.ts'
import type { CheckpointFile } from './types.ts'

/** Characters of the data set that the model was trained on. */
export const NANOGPT_META = 'meta.pkl'

export function isNanoGptCheckpoint(name: string): boolean {
	return /^ckpt[\w.-]*\.pt$/.test(name)
}

/** GPT-2's vocabulary with the rows that nanoGPT adds for speed. */
const GPT2_PADDED_SIZE = 50_304

export function isNanoGpt(directory: ModelDirectory): boolean {
	return directory.names.some(isNanoGptCheckpoint)
}

/** Reads the structure of a model: all of it but the numbers. Throws CheckpointError. */
export function openNanoGpt(directory: ModelDirectory): CheckpointFile {
	const name = directory.names.filter(isNanoGptCheckpoint).sort()[0]!
	const saved = openTorch(directory.open(name))
	const args = saved instanceof Map ? toRecord(saved.get('model_args')) : undefined
	if (!(saved instanceof Map) || args === undefined) {
		throw new CheckpointError(`${name}: model_args: expected a dict as nanoGPT saves it, got none`)
	}
	const stored = stateDictTensors(saved.get('model') ?? null, 'model')
	return {
		form: 'nanogpt',
		step: saved.get('iter_num'),
		readLoss: (kernels) => lossOf(saved.get('best_val_loss'), kernels),
		parseConfig: () => parseForeignConfig(args, 'nanogpt'),
		parseTokenizer: () => nanoGptTokenizer(directory, args['vocab_size']),
		tensorsOf: (config) => networkTensors(stored, config, 'nanogpt'),
	}
}

/** A number, or a tensor of one. */
function lossOf(value: PickleValue | undefined, kernels: Kernels): number | null {
	if (typeof value === 'number') return Number.isFinite(value) ? value : null
	if (!(value instanceof TorchTensor) || value.elements !== 1) return null
	const tensor = value.named('best_val_loss')
	if (tensor.format === null) return null
	const loss = new Float32Array(1)
	tensor.open(kernels).read(loss)
	return Number.isFinite(loss[0]) ? loss[0]! : null
}

/** The characters beside the model, or GPT-2's own vocabulary. Throws CheckpointError. */
export function nanoGptTokenizer(directory: ModelDirectory, vocabSize: unknown): TokenizerSpec {
	const bytes = directory.readBytes(NANOGPT_META, PICKLE_BYTES_MAX)
	if (bytes !== undefined) return parseMeta(readPickle(bytes, { calls: new Map() }), vocabSize)
	if (vocabSize === GPT2_VOCAB_SIZE || vocabSize === GPT2_PADDED_SIZE) return gpt2Tokenizer()
	throw new CheckpointError(
		`tokenizer: expected ${NANOGPT_META} beside the checkpoint, since a vocabulary of ` +
			`${describeValue(vocabSize)} is not GPT-2's (${GPT2_VOCAB_SIZE} or ${GPT2_PADDED_SIZE})`,
	)
}

/** `itos`: the character of each id. */
function parseMeta(meta: PickleValue, vocabSize: unknown): TokenizerSpec {
	const itos = meta instanceof Map ? meta.get('itos') : undefined
	if (!(itos instanceof Map)) {
		throw new CheckpointError(`${NANOGPT_META}: itos: expected a dict of characters, got none`)
	}
	if (itos.size !== vocabSize) {
		throw new CheckpointError(
			`${NANOGPT_META}: expected the model's vocab_size, ${describeValue(vocabSize)}, ` +
				`got ${itos.size} characters`,
		)
	}
	const vocab = Array.from({ length: itos.size }, (_, id) => {
		const text = itos.get(id)
		if (typeof text !== 'string') {
			throw new CheckpointError(`${NANOGPT_META}: itos[${id}]: expected a character, got none`)
		}
		return text
	})
	return { type: 'char', vocab, merges: [], specialTokens: [], mergeOrder: 'plain' }
}

/** A dict with names as keys. */
function toRecord(value: PickleValue | undefined): Record<string, unknown> | undefined {
	if (!(value instanceof Map)) return undefined
	const record = Object.fromEntries([...value].filter(([key]) => typeof key === 'string'))
	return isRecord(record) ? { ...record } : undefined
}
