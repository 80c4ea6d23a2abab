/*
 * A GGUF file as a checkpoint: one file with config, tokenizer and tensors, as llama.cpp's converter
 * writes them.
 */
import { describeValue } from '../../lib/json.ts'
import { ConfigFields } from '../../model/config-fields.ts'
import { networkOf } from '../../model/families.ts'
import type { ModelConfig } from '../../model/model-config.ts'
import { parseGgufTokenizer } from '../../tokenizer/gguf.ts'
import type { ByteSource } from './byte-source.ts'
import { CheckpointError } from './checkpoint-error.ts'
import { ggmlReader } from './ggml-types.ts'
import { type GgufHeader, type GgufTensor, type GgufValue, readGgufHeader } from './gguf-header.ts'
import { GGUF_ARCHITECTURES, type GgufArchitecture, type GgufFacts } from './gguf-models.ts'
import { type RowOrder, reordered } from './row-order.ts'
import type { CheckpointFile, StoredTensor } from './types.ts'

export function isGgufName(name: string): boolean {
	return name.endsWith('.gguf')
}

const TOKEN_TABLE = 'token_embd.weight'
/** Divisors of rotary frequencies; no parameter. */
const FREQUENCIES = 'rope_freqs.weight'
const FREQUENCIES_MAX = 2 ** 12

/** Reads the structure of a model: all of it but the numbers. Throws CheckpointError. */
export function openGguf(source: ByteSource): CheckpointFile {
	const header = readGgufHeader(source)
	const { values, tensors } = header
	const name = values.get('general.architecture')
	const known = Object.keys(GGUF_ARCHITECTURES).join(', ')
	if (typeof name !== 'string' || !Object.hasOwn(GGUF_ARCHITECTURES, name)) {
		throw new CheckpointError(
			`general.architecture: expected an architecture of ${known}, got ${describeValue(name)}`,
		)
	}
	expectWhole(values)
	const architecture = GGUF_ARCHITECTURES[name]!
	const rows = tokenRows(tensors)
	return {
		form: 'gguf',
		step: undefined,
		parseConfig() {
			const facts: GgufFacts = {
				vocabSize: rows,
				has: (tensor) => tensors.has(tensor),
				frequencyDivisors: readFrequencies(source, tensors.get(FREQUENCIES)),
			}
			return architecture.parseConfig(new ConfigFields(under(`${name}.`, header), name), facts)
		},
		parseTokenizer: () => parseGgufTokenizer(under('tokenizer.', header), rows),
		tensorsOf: (config) => networkTensors(source, header, config, architecture),
	}
}

/** The file holds a whole model, not a part or an addition. */
function expectWhole(values: ReadonlyMap<string, GgufValue>): void {
	const type = values.get('general.type') ?? 'model'
	if (type !== 'model') {
		throw new CheckpointError(`general.type: expected "model", got ${describeValue(type)}`)
	}
	const parts = values.get('split.count') ?? 1
	if (parts !== 1 && parts !== 0) {
		throw new CheckpointError(
			`split.count: expected a model in one file, got one split into ${describeValue(parts)}`,
		)
	}
}

function tokenRows(tensors: GgufHeader['tensors']): number {
	const shape = tensors.get(TOKEN_TABLE)?.shape
	if (shape?.length === 2) return shape[0]!
	throw new CheckpointError(`${TOKEN_TABLE}: expected a matrix, got ${describeValue(shape)}`)
}

/** The values whose keys begin so, by the rest of them. */
function under(prefix: string, { values }: GgufHeader): Readonly<Record<string, GgufValue>> {
	const found = [...values].filter(([key]) => key.startsWith(prefix))
	return Object.fromEntries(found.map(([key, value]) => [key.slice(prefix.length), value]))
}

function readFrequencies(
	source: ByteSource,
	tensor: GgufTensor | undefined,
): readonly number[] | null {
	if (tensor === undefined) return null
	const { shape, type, position } = tensor
	if (type.name !== 'F32' || shape.length !== 1 || shape[0]! > FREQUENCIES_MAX) {
		const shown = `${type.name} of shape [${shape.join(', ')}]`
		throw new CheckpointError(
			`${FREQUENCIES}: expected at most ${FREQUENCIES_MAX} numbers of F32, got ${shown}`,
		)
	}
	const numbers = new Float32Array(shape[0]!)
	source.read(new Uint8Array(numbers.buffer), position)
	return [...numbers]
}

/** Tensors by the names of the config's network. Throws CheckpointError for those that it does not have. */
function networkTensors(
	source: ByteSource,
	header: GgufHeader,
	config: ModelConfig,
	architecture: GgufArchitecture,
): ReadonlyMap<string, StoredTensor> {
	const { tensors } = networkOf(config)
	const found = new Map<string, StoredTensor>()
	for (const tensor of header.tensors.values()) {
		if (tensor.name === FREQUENCIES) continue
		const name = networkName(tensor.name, architecture)
		if (name === undefined || !tensors.has(name)) {
			throw new CheckpointError(
				`${tensor.name}: expected no such tensor by the key-values, got one: is it of another model?`,
			)
		}
		const order = architecture.rowOrder?.(name, config)
		found.set(name, storedTensor(source, tensor, name, order))
	}
	return found
}

function networkName(
	name: string,
	{ tensors, layerTensors, layerPrefix }: GgufArchitecture,
): string | undefined {
	const [, layer, module, kind] = /^(?:blk\.(\d{1,4})\.)?(\w+)\.(weight|bias)$/.exec(name) ?? []
	if (module === undefined) return undefined
	const names = layer === undefined ? tensors : layerTensors
	if (!Object.hasOwn(names, module)) return undefined
	const ours = `${names[module]}.${kind}`
	return layer === undefined ? ours : `${layerPrefix}.${Number(layer)}.${ours}`
}

function storedTensor(
	source: ByteSource,
	{ shape, type, position }: GgufTensor,
	name: string,
	order: RowOrder | undefined,
): StoredTensor {
	const elements = shape.reduce((product, size) => product * size, 1)
	return {
		name,
		shape,
		dtype: type.name,
		format: type.format,
		elements: [elements, elements],
		open(kernels) {
			const reader = ggmlReader(kernels, source, type, position)
			return order === undefined ? reader : reordered(reader, shape, order)
		},
	}
}
