/*
 * A directory as Hugging Face's libraries save a model: config.json, weights as safetensors or files of
 * torch.save, whole or in shards with an index, and the tokenizer's files.
 */
import { describeValue, isRecord } from '../../lib/json.ts'
import { parseForeignConfig } from '../../model/families.ts'
import { parseHuggingFaceTokenizer } from '../../tokenizer/huggingface.ts'
import { CheckpointError } from './checkpoint-error.ts'
import { networkTensors } from './foreign-tensors.ts'
import type { ModelDirectory } from './model-directory.ts'
import { openSafetensors } from './safetensors.ts'
import { openTorch, stateDictTensors } from './torch.ts'
import type { CheckpointFile, StoredTensor } from './types.ts'
import { WEIGHT_FILES } from './weight-files.ts'

export const CONFIG_BYTES_MAX = 2 ** 22
const INDEX_BYTES_MAX = 2 ** 24
const TOKENIZER_BYTES_MAX = 2 ** 26
const SHARDS_MAX = 1024
/** Ids that may end a text. */
const END_TOKENS_MAX = 64

export function isHuggingFace(directory: ModelDirectory): boolean {
	return WEIGHT_FILES.some((name) => directory.has(name))
}

/** Reads the structure of a model: all of it but the numbers. Throws CheckpointError. */
export function openHuggingFace(directory: ModelDirectory): CheckpointFile {
	const config = directory.readJson('config.json', CONFIG_BYTES_MAX)
	if (!isRecord(config)) {
		throw new CheckpointError(`config.json: expected an object, got ${describeValue(config)}`)
	}
	const stored = openWeights(directory)
	return {
		form: 'huggingface',
		step: undefined,
		parseConfig: () => parseForeignConfig(config, 'huggingface'),
		parseTokenizer: () => huggingFaceTokenizer(directory, config),
		tensorsOf: (parsed) => networkTensors(stored, parsed, 'huggingface'),
	}
}

function openWeights(directory: ModelDirectory): ReadonlyMap<string, StoredTensor> {
	const name = WEIGHT_FILES.find((each) => directory.has(each))
	if (name === undefined) {
		throw new CheckpointError(`expected weights in ${WEIGHT_FILES.join(' or ')}, got none`)
	}
	return name.endsWith('.json') ? openShards(directory, name) : openFile(directory, name)
}

function openFile(directory: ModelDirectory, name: string): ReadonlyMap<string, StoredTensor> {
	const source = directory.open(name)
	if (name.endsWith('.safetensors')) return openSafetensors(source)
	return stateDictTensors(openTorch(source), name)
}

/** `weight_map` says which shard holds each tensor. */
function openShards(directory: ModelDirectory, index: string): ReadonlyMap<string, StoredTensor> {
	const json = directory.readJson(index, INDEX_BYTES_MAX)
	const map = isRecord(json) ? json['weight_map'] : undefined
	if (!isRecord(map)) {
		throw new CheckpointError(`${index}: weight_map: expected an object, got ${describeValue(map)}`)
	}
	const suffix = index.replace(/^.*(\.\w+)\.index\.json$/, '$1')
	const shards = new Map<string, ReadonlyMap<string, StoredTensor>>()
	const tensors = new Map<string, StoredTensor>()
	for (const [name, shardName] of Object.entries(map)) {
		if (
			typeof shardName !== 'string' ||
			!/^[\w.-]+$/.test(shardName) ||
			!shardName.endsWith(suffix)
		) {
			const shown = describeValue(shardName)
			throw new CheckpointError(
				`${index}: expected the name of a ${suffix} file beside it, without a path, got ${shown}`,
			)
		}
		let shard = shards.get(shardName)
		if (shard === undefined) {
			if (shards.size === SHARDS_MAX) {
				throw new CheckpointError(`${index}: expected at most ${SHARDS_MAX} shards, got more`)
			}
			shard = openFile(directory, shardName)
			shards.set(shardName, shard)
		}
		const tensor = shard.get(name)
		if (tensor === undefined) {
			throw new CheckpointError(`${name}: expected in ${shardName} by ${index}, got no such tensor`)
		}
		tensors.set(name, tensor)
	}
	return tensors
}

/** The tokenizer of the files beside a model. Throws CheckpointError, or an Error of the tokenizer. */
export function huggingFaceTokenizer(
	directory: ModelDirectory,
	config: Readonly<Record<string, unknown>>,
) {
	const generation = directory.readJson('generation_config.json', CONFIG_BYTES_MAX)
	return parseHuggingFaceTokenizer({
		tokenizer: directory.readJson('tokenizer.json', TOKENIZER_BYTES_MAX),
		vocab: directory.readJson('vocab.json', TOKENIZER_BYTES_MAX),
		merges: directory.readText('merges.txt', TOKENIZER_BYTES_MAX),
		model: directory.readBytes('tokenizer.model', TOKENIZER_BYTES_MAX),
		config: directory.readJson('tokenizer_config.json', TOKENIZER_BYTES_MAX),
		chatTemplate: directory.readText('chat_template.jinja', CONFIG_BYTES_MAX),
		specialTokens: directory.readJson('special_tokens_map.json', CONFIG_BYTES_MAX),
		endTokenIds: endTokenIds(isRecord(generation) ? generation : {}) ?? endTokenIds(config) ?? [],
	})
}

/** `eos_token_id`: one id or several; undefined when none is named. */
function endTokenIds(config: Readonly<Record<string, unknown>>): readonly number[] | undefined {
	const value = config['eos_token_id']
	if (value === undefined || value === null) return undefined
	const ids: readonly unknown[] = Array.isArray(value) ? value : [value]
	if (
		ids.length > END_TOKENS_MAX ||
		!ids.every((id) => Number.isInteger(id) && (id as number) >= 0)
	) {
		throw new CheckpointError(`eos_token_id: expected token ids, got ${describeValue(value)}`)
	}
	return ids as readonly number[]
}
