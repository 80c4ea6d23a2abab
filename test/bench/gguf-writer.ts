/*
 * A reference model in llama.cpp's file format, as its GPT-2 architecture: learned positions, layer
 * norm with bias, fused q, k and v, gelu in its tanh form, untied output. Our linear layers have no
 * biases, which are zeros there.
 */
import { rmSync } from 'node:fs'
import {
	type GgufField,
	type GgufOutput,
	type GgufType,
	GgufWriter,
} from '../../src/checkpoint/exports/gguf-writer.ts'
import type { Dtype } from '../../src/model/model-config.ts'
import { type RandomTensor, type ReferenceModel, randomTensors } from './reference-models.ts'

const TYPES: Readonly<Record<Dtype, GgufType>> = { f32: 'F32', bf16: 'BF16', int8: 'Q8_0' }

/** Names of the tensors; those with a bias there have none here. */
const NAMES: readonly (readonly [ours: string, theirs: string, hasBias: boolean])[] = [
	['ln1', 'attn_norm', false],
	['attn.wqkv', 'attn_qkv.weight', true],
	['attn.wo', 'attn_output.weight', true],
	['ln2', 'ffn_norm', false],
	['mlp.fc1', 'ffn_up.weight', true],
	['mlp.fc2', 'ffn_down.weight', true],
]

interface GgufTensor extends GgufOutput {
	readonly numbers: Float32Array
}

/** Writes the model with its matrices in the format that corresponds to `dtype`. */
export function writeGguf(path: string, model: ReferenceModel, dtype: Dtype): void {
	const tensors = [...randomTensors(model.config)].flatMap((tensor) => toGguf(tensor, dtype))
	rmSync(path, { force: true })
	using writer = new GgufWriter(path, metadata(model), tensors)
	for (const { numbers } of tensors) writer.write(numbers)
}

function metadata({ stored, config }: ReferenceModel): ReadonlyMap<string, GgufField> {
	// A token for each printable character, the blank and the end of a line: requests over HTTP bring text.
	const characters = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))
	const spelled = [...characters, 'Ġ', 'Ċ', 'ab']
	const others = Array.from({ length: stored.vocabSize - spelled.length }, (_, id) => `t${id}`)
	return new Map<string, GgufField>([
		['general.architecture', { text: 'gpt2' }],
		['gpt2.context_length', { u32: stored.blockSize }],
		['gpt2.embedding_length', { u32: stored.nEmbd }],
		['gpt2.feed_forward_length', { u32: config.ffnDim }],
		['gpt2.block_count', { u32: stored.nLayer }],
		['gpt2.attention.head_count', { u32: stored.nHead }],
		['gpt2.attention.layer_norm_epsilon', { f32: 1e-5 }],
		['tokenizer.ggml.model', { text: 'gpt2' }],
		['tokenizer.ggml.pre', { text: 'gpt-2' }],
		['tokenizer.ggml.bos_token_id', { u32: 0 }],
		['tokenizer.ggml.eos_token_id', { u32: 0 }],
		['tokenizer.ggml.tokens', { texts: [...spelled, ...others] }],
		['tokenizer.ggml.merges', { texts: ['a b'] }],
	])
}

function toGguf({ name, shape, data }: RandomTensor, dtype: Dtype): GgufTensor[] {
	const plain = (theirs: string): GgufTensor => {
		return { name: theirs, shape, type: 'F32', numbers: data }
	}
	const matrix = (theirs: string): GgufTensor => ({ ...plain(theirs), type: TYPES[dtype] })
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
	const rows = shape[0]!
	const bias: GgufTensor = {
		name: `blk.${layer}.${theirs.replace('weight', 'bias')}`,
		shape: [rows],
		type: 'F32',
		numbers: new Float32Array(rows),
	}
	return [matrix(`blk.${layer}.${theirs}`), bias]
}
