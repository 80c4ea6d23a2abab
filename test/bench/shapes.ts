/**
 * Models of well-known shapes with seeded random weights, for comparisons with other engines:
 * `bun test/bench/shapes.ts DIRECTORY [NAME…]` writes for each a Hugging Face directory `NAME`, which
 * transformers and its converters read too, and GGUF files `NAME-<dtype>.gguf`. The same bytes each time.
 */
import { mkdirSync, renameSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportCheckpoint } from '../../src/checkpoint/exports/export.ts'
import type { GgufDtype } from '../../src/checkpoint/exports/gguf.ts'
import { SafetensorsWriter } from '../../src/checkpoint/exports/safetensors-writer.ts'
import { ModelDirectory } from '../../src/checkpoint/formats/model-directory.ts'
import { openDirectory } from '../../src/checkpoint/formats/open.ts'
import { openKernels } from '../../src/kernels/binding.ts'
import { toByteAlphabet } from '../../src/tokenizer/byte-alphabet.ts'
import { uniform } from '../helpers/random-model.ts'
import { libraryPath } from '../helpers/test-engine.ts'

interface Tensor {
	readonly name: string
	readonly shape: readonly number[]
}

interface Shape {
	readonly config: Readonly<Record<string, unknown>>
	readonly tensors: readonly Tensor[]
}

interface Gpt2Sizes {
	readonly vocab: number
	readonly context: number
	readonly layers: number
	readonly heads: number
	readonly width: number
}

interface LlamaSizes extends Gpt2Sizes {
	readonly kvHeads: number
	readonly hidden: number
	readonly theta: number
}

/** Matrices are [in, out]. */
function gpt2({ vocab, context, layers, heads, width }: Gpt2Sizes): Shape {
	const norm = (name: string) => vectors(name, width)
	const linear = (name: string, inputs: number, outputs: number) => [
		{ name: `${name}.weight`, shape: [inputs, outputs] },
		{ name: `${name}.bias`, shape: [outputs] },
	]
	return {
		config: {
			architectures: ['GPT2LMHeadModel'],
			model_type: 'gpt2',
			vocab_size: vocab,
			n_positions: context,
			n_embd: width,
			n_layer: layers,
			n_head: heads,
			activation_function: 'gelu_new',
			bos_token_id: vocab - 1,
			eos_token_id: vocab - 1,
		},
		tensors: [
			{ name: 'transformer.wte.weight', shape: [vocab, width] },
			{ name: 'transformer.wpe.weight', shape: [context, width] },
			...repeated(layers, (i) => [
				...norm(`transformer.h.${i}.ln_1`),
				...linear(`transformer.h.${i}.attn.c_attn`, width, 3 * width),
				...linear(`transformer.h.${i}.attn.c_proj`, width, width),
				...norm(`transformer.h.${i}.ln_2`),
				...linear(`transformer.h.${i}.mlp.c_fc`, width, 4 * width),
				...linear(`transformer.h.${i}.mlp.c_proj`, 4 * width, width),
			]),
			...norm('transformer.ln_f'),
		],
	}
}

function llama({ vocab, context, layers, heads, width, ...more }: LlamaSizes): Shape {
	const { kvHeads, hidden, theta } = more
	const kvWidth = (width / heads) * kvHeads
	return {
		config: {
			architectures: ['LlamaForCausalLM'],
			model_type: 'llama',
			vocab_size: vocab,
			max_position_embeddings: context,
			hidden_size: width,
			intermediate_size: hidden,
			num_hidden_layers: layers,
			num_attention_heads: heads,
			num_key_value_heads: kvHeads,
			hidden_act: 'silu',
			rms_norm_eps: 1e-5,
			rope_theta: theta,
			tie_word_embeddings: true,
			bos_token_id: vocab - 1,
			eos_token_id: vocab - 1,
		},
		tensors: [
			{ name: 'model.embed_tokens.weight', shape: [vocab, width] },
			...repeated(layers, (i) => {
				const matrix = (name: string, outputs: number, inputs: number) => ({
					name: `model.layers.${i}.${name}.weight`,
					shape: [outputs, inputs],
				})
				return [
					{ name: `model.layers.${i}.input_layernorm.weight`, shape: [width] },
					matrix('self_attn.q_proj', width, width),
					matrix('self_attn.k_proj', kvWidth, width),
					matrix('self_attn.v_proj', kvWidth, width),
					matrix('self_attn.o_proj', width, width),
					{ name: `model.layers.${i}.post_attention_layernorm.weight`, shape: [width] },
					matrix('mlp.gate_proj', hidden, width),
					matrix('mlp.up_proj', hidden, width),
					matrix('mlp.down_proj', width, hidden),
				]
			}),
			{ name: 'model.norm.weight', shape: [width] },
		],
	}
}

function vectors(name: string, width: number): Tensor[] {
	return ['weight', 'bias'].map((part) => ({ name: `${name}.${part}`, shape: [width] }))
}

function repeated(layers: number, tensorsOf: (layer: number) => readonly Tensor[]): Tensor[] {
	return Array.from({ length: layers }, (_, i) => tensorsOf(i)).flat()
}

const SHAPES: Readonly<Record<string, Shape>> = {
	'nanogpt-10m': gpt2({ vocab: 320, context: 256, layers: 6, heads: 6, width: 384 }),
	'gpt2-124m': gpt2({ vocab: 50_257, context: 1024, layers: 12, heads: 12, width: 768 }),
	'llama-15m': llama({
		vocab: 32_000,
		context: 256,
		layers: 6,
		heads: 6,
		kvHeads: 6,
		width: 288,
		hidden: 768,
		theta: 10_000,
	}),
	'smollm2-135m': llama({
		vocab: 49_152,
		context: 8192,
		layers: 30,
		heads: 9,
		kvHeads: 3,
		width: 576,
		hidden: 1536,
		theta: 100_000,
	}),
}

const GGUF_DTYPES: readonly GgufDtype[] = ['f32', 'bf16', 'int8']
const END = '<|endoftext|>'

/**
 * Byte-level BPE of so many tokens: the bytes, then pairs and longer words of letters, each with its merge,
 * and the end of texts last.
 */
function tokenizerJson(vocab: number): object {
	const tokens = Array.from({ length: 256 }, (_, byte) => toByteAlphabet(String.fromCharCode(byte)))
	const merges: string[] = []
	const letters = 'etaoinshrdlucmfwypvbgkjqxz'
	const add = (left: string, right: string) => {
		if (tokens.length === vocab - 1) return
		merges.push(`${left} ${right}`)
		tokens.push(left + right)
	}
	const pairs = [...letters].flatMap((a) => [...letters].map((b) => [a, b] as const))
	for (const [a, b] of pairs) add(a, b)
	for (const [a, b] of pairs) for (const c of letters) add(a + b, c)
	for (const [a, b] of pairs) for (const [c, d] of pairs) add(a + b, c + d)
	return {
		version: '1.0',
		added_tokens: [
			{
				id: vocab - 1,
				content: END,
				single_word: false,
				lstrip: false,
				rstrip: false,
				normalized: false,
				special: true,
			},
		],
		normalizer: null,
		pre_tokenizer: {
			type: 'ByteLevel',
			add_prefix_space: false,
			trim_offsets: true,
			use_regex: true,
		},
		post_processor: null,
		decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
		model: {
			type: 'BPE',
			unk_token: null,
			vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
			merges,
		},
	}
}

/** Numbers of a tensor by its name alone, of a size that keeps activations in their range. */
function numbersOf({ name, shape }: Tensor): Float32Array {
	const numbers = new Float32Array(shape.reduce((product, size) => product * size, 1))
	const next = uniform(Bun.hash.crc32(name))
	const isNorm = /(norm|ln_\w)\.weight$/.test(name)
	const scale = shape.length === 2 ? 0.08 : 0.02
	for (let i = 0; i < numbers.length; i++) numbers[i] = (isNorm ? 1 : 0) + (next() - 0.5) * scale
	return numbers
}

function writeDirectory(path: string, { config, tensors }: Shape): void {
	mkdirSync(path, { recursive: true })
	const json = (name: string, value: object) =>
		writeFileSync(join(path, name), `${JSON.stringify(value)}\n`)
	json('config.json', { ...config, torch_dtype: 'float32' })
	json('tokenizer.json', tokenizerJson(config['vocab_size'] as number))
	json('tokenizer_config.json', { tokenizer_class: 'PreTrainedTokenizerFast', eos_token: END })
	using writer = new SafetensorsWriter(join(path, 'model.safetensors'), 'f32', tensors)
	for (const tensor of tensors) writer.write(numbersOf(tensor))
}

const [directory, ...names] = process.argv.slice(2)
const unknown = names.find((name) => !(name in SHAPES))
if (directory === undefined || unknown !== undefined) {
	console.error(`expected DIRECTORY [NAME…] of ${Object.keys(SHAPES).join(', ')}, got ${unknown}`)
	process.exit(64)
}
const kernels = openKernels(libraryPath)
kernels.select('')
for (const name of names.length === 0 ? Object.keys(SHAPES) : names) {
	const path = join(directory, name)
	writeDirectory(path, SHAPES[name]!)
	for (const dtype of GGUF_DTYPES) {
		const files = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']
		using opened = new ModelDirectory(
			path,
			files.map((file) => ({ name: file })),
		)
		const out = join(directory, `.${name}`)
		const request = { format: 'gguf', directory: out, name, dtype, isApproximate: false } as const
		exportCheckpoint(kernels, openDirectory(opened), request)
		renameSync(join(out, `${name}.gguf`), join(directory, `${name}-${dtype}.gguf`))
		rmdirSync(out)
	}
	console.log(`${path}: model.safetensors; ${name}-{${GGUF_DTYPES.join(',')}}.gguf beside it`)
}
