/*
 * A reference model in llama.cpp's file format, as its GPT-2 architecture: learned positions, layer
 * norm with bias, fused q, k and v, gelu in its tanh form, untied output. Our linear layers have no
 * biases, which are zeros there.
 */
import { writeFileSync } from 'node:fs'
import type { Dtype } from '../../src/model/model-config.ts'
import { type RandomTensor, type ReferenceModel, randomTensors } from './reference-models.ts'

/** Numbers of GGUF's value and tensor types. */
const UINT32 = 4
const FLOAT32 = 6
const STRING = 8
const ARRAY = 9
const TENSOR_TYPES = { f32: 0, bf16: 30, int8: 8 } as const
const ALIGNMENT = 32
/** Numbers of a Q8_0 block, which share a scale. */
const Q8_BLOCK = 32

/** Names of the tensors; those with a bias there have none here. */
const NAMES: readonly (readonly [ours: string, theirs: string, hasBias: boolean])[] = [
	['ln1', 'attn_norm', false],
	['attn.wqkv', 'attn_qkv.weight', true],
	['attn.wo', 'attn_output.weight', true],
	['ln2', 'ffn_norm', false],
	['mlp.fc1', 'ffn_up.weight', true],
	['mlp.fc2', 'ffn_down.weight', true],
]

interface GgufTensor {
	readonly name: string
	/** Innermost dimension first. */
	readonly dimensions: readonly number[]
	readonly type: number
	readonly bytes: Uint8Array
}

/** Writes the model with its matrices in the format that corresponds to `dtype`. */
export function writeGguf(path: string, model: ReferenceModel, dtype: Dtype): void {
	const tensors = [...randomTensors(model.config)].flatMap((tensor) => toGguf(tensor, dtype))
	const writer = new GgufHeader()
	writer.text('GGUF', false)
	writer.uint32(3)
	writer.uint64(tensors.length)
	writeMetadata(writer, model)
	let offset = 0
	for (const { name, dimensions, type, bytes } of tensors) {
		writer.text(name)
		writer.uint32(dimensions.length)
		for (const size of dimensions) writer.uint64(size)
		writer.uint32(type)
		writer.uint64(offset)
		offset += padded(bytes.byteLength)
	}
	const padding = (bytes: Uint8Array) => new Uint8Array(padded(bytes.byteLength) - bytes.byteLength)
	const parts = tensors.flatMap(({ bytes }) => [bytes, padding(bytes)])
	writeFileSync(path, Buffer.concat([writer.finish(), ...parts]))
}

function writeMetadata(writer: GgufHeader, { stored, config }: ReferenceModel): void {
	const numbers = {
		'gpt2.context_length': stored.blockSize,
		'gpt2.embedding_length': stored.nEmbd,
		'gpt2.feed_forward_length': config.ffnDim,
		'gpt2.block_count': stored.nLayer,
		'gpt2.attention.head_count': stored.nHead,
		'tokenizer.ggml.bos_token_id': 0,
		'tokenizer.ggml.eos_token_id': 0,
	}
	const texts = { 'general.architecture': 'gpt2', 'tokenizer.ggml.model': 'gpt2' }
	writer.uint64(Object.keys(numbers).length + Object.keys(texts).length + 3)
	for (const [key, value] of Object.entries(texts)) {
		writer.text(key)
		writer.uint32(STRING)
		writer.text(value)
	}
	for (const [key, value] of Object.entries(numbers)) {
		writer.text(key)
		writer.uint32(UINT32)
		writer.uint32(value)
	}
	writer.text('gpt2.attention.layer_norm_epsilon')
	writer.uint32(FLOAT32)
	writer.float32(1e-5)
	// No text goes through this tokenizer; it only has to be one.
	writer.texts(
		'tokenizer.ggml.tokens',
		Array.from({ length: stored.vocabSize }, (_, id) => `t${id}`),
	)
	writer.texts('tokenizer.ggml.merges', ['t 0'])
}

function toGguf({ name, shape, data }: RandomTensor, dtype: Dtype): GgufTensor[] {
	const plain = (theirs: string): GgufTensor => ({
		name: theirs,
		dimensions: [...shape].reverse(),
		type: TENSOR_TYPES.f32,
		bytes: new Uint8Array(data.buffer),
	})
	const matrix = (theirs: string): GgufTensor => ({
		...plain(theirs),
		type: TENSOR_TYPES[dtype],
		bytes: convert(data, dtype),
	})
	if (name === 'wte') return [plain('token_embd.weight')]
	if (name === 'wpe') return [plain('position_embd.weight')]
	if (name === 'lmHead') return [matrix('output.weight')]
	if (name.startsWith('lnF')) return [plain(name.replace('lnF', 'output_norm'))]
	const [, layer = '', part = ''] = /^layer\.(\d+)\.(.*)$/.exec(name) ?? []
	const [ours, theirs, hasBias] = NAMES.find(([prefix]) => part.startsWith(prefix)) ?? [
		'',
		'',
		false,
	]
	if (!hasBias) return [plain(`blk.${layer}.${part.replace(ours, theirs)}`)]
	const bias: GgufTensor = {
		name: `blk.${layer}.${theirs.replace('weight', 'bias')}`,
		dimensions: [shape[0]!],
		type: TENSOR_TYPES.f32,
		bytes: new Uint8Array(shape[0]! * 4),
	}
	return [matrix(`blk.${layer}.${theirs}`), bias]
}

function convert(data: Float32Array, dtype: Dtype): Uint8Array {
	if (dtype === 'f32') return new Uint8Array(data.buffer)
	return dtype === 'bf16' ? toBf16(data) : toQ8(data)
}

/** Upper halves of the numbers, rounded to nearest, ties to even. */
function toBf16(data: Float32Array): Uint8Array {
	const bits = new Uint32Array(data.buffer)
	const halves = Uint16Array.from(bits, (word) => (word + 0x7fff + ((word >>> 16) & 1)) >>> 16)
	return new Uint8Array(halves.buffer)
}

/** Blocks of 32 numbers: a half-precision scale, then the numbers as multiples of it. */
function toQ8(data: Float32Array): Uint8Array {
	const blocks = data.length / Q8_BLOCK
	const bytes = new Uint8Array(blocks * (2 + Q8_BLOCK))
	const view = new DataView(bytes.buffer)
	for (let block = 0; block < blocks; block++) {
		const numbers = data.subarray(block * Q8_BLOCK, (block + 1) * Q8_BLOCK)
		const largest = numbers.reduce((max, x) => Math.max(max, Math.abs(x)), 0)
		const at = block * (2 + Q8_BLOCK)
		view.setFloat16(at, largest / 127, true)
		for (let i = 0; i < Q8_BLOCK; i++) {
			view.setInt8(at + 2 + i, largest === 0 ? 0 : Math.round((numbers[i]! / largest) * 127))
		}
	}
	return bytes
}

function padded(bytes: number): number {
	return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
}

/** Little-endian fields one after another. */
class GgufHeader {
	readonly #parts: Buffer[] = []

	uint32(value: number): void {
		const field = Buffer.alloc(4)
		field.writeUInt32LE(value)
		this.#parts.push(field)
	}

	uint64(value: number): void {
		const field = Buffer.alloc(8)
		field.writeBigUInt64LE(BigInt(value))
		this.#parts.push(field)
	}

	float32(value: number): void {
		const field = Buffer.alloc(4)
		field.writeFloatLE(value)
		this.#parts.push(field)
	}

	text(value: string, hasLength = true): void {
		const bytes = Buffer.from(value)
		if (hasLength) this.uint64(bytes.length)
		this.#parts.push(bytes)
	}

	texts(key: string, values: readonly string[]): void {
		this.text(key)
		this.uint32(ARRAY)
		this.uint32(STRING)
		this.uint64(values.length)
		for (const value of values) this.text(value)
	}

	/** All fields, padded to where the tensors begin. */
	finish(): Buffer {
		const bytes = Buffer.concat(this.#parts)
		return Buffer.concat([bytes, Buffer.alloc(padded(bytes.length) - bytes.length)])
	}
}
