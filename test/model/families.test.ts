import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openFileSource } from '../../src/checkpoint/formats/byte-source.ts'
import { openSafetensors } from '../../src/checkpoint/formats/safetensors.ts'
import { runnerBytes } from '../../src/engine/memory.ts'
import { openKernels } from '../../src/kernels/binding.ts'
import { foreignNames, networkOf, parseForeignConfig } from '../../src/model/families.ts'
import type { LlamaConfig, NeoConfig } from '../../src/model/model-config.ts'
import { libraryPath } from '../helpers/test-engine.ts'

const fixtures = join(import.meta.dir, '../fixtures/families')
const kernels = openKernels(libraryPath)
kernels.select('')

function readConfig(name: string): Record<string, unknown> {
	return JSON.parse(readFileSync(join(fixtures, name, 'config.json'), 'utf8'))
}

test('the tables of angles count among what a loaded model takes', () => {
	const config = parseForeignConfig(readConfig('llama-v4-chat'), 'huggingface') as LlamaConfig
	expect(networkOf(config).rotaries.map(({ bytes }) => bytes)).toEqual([
		config.contextLength * config.headDim * 4,
	])
	const limits = {
		sequencesMax: 1,
		rowsMax: 8,
		readingRowsMax: 8,
		kvBytesMax: 2 ** 20,
		guessing: { weightBytesMin: Number.POSITIVE_INFINITY, costs: 'assumed' },
	} as const
	const half = { ...config, rotary: { ...config.rotary, channels: config.headDim / 2 } }
	const [whole, less] = [config, half].map((each) => runnerBytes(kernels, each, 'f32', limits))
	expect(whole! - less!).toBe(config.contextLength * config.headDim * 2)
})

describe('a config of GPT-2', () => {
	const gpt2 = readConfig('gpt2-bf16')

	test('names the sizes of its network', () => {
		expect(parseForeignConfig(gpt2, 'huggingface')).toEqual({
			family: 'gpt2',
			vocabSize: gpt2['vocab_size'],
			contextLength: gpt2['n_positions'],
			nLayer: gpt2['n_layer'],
			nEmbd: gpt2['n_embd'],
			nHead: gpt2['n_head'],
			ffnDim: 4 * (gpt2['n_embd'] as number),
			activation: 'gelu',
			normEpsilon: 1e-5,
			hasBias: true,
			hasQkvBias: true,
			splitsQkv: false,
			tiesHead: true,
			scalesScores: true,
			scalesScoresByLayer: false,
		} as never)
	})

	test.each<[string, unknown, string]>([
		['model_type', 'mamba', 'config.model_type: expected one of gpt2, llama'],
		['n_head', 5, 'config.n_head: expected a divisor of n_embd'],
		['n_head', 0, 'config.n_head: expected an integer from 1 to 4096, got 0'],
		['n_embd', undefined, 'config.n_embd: expected an integer from 1 to 65536, got nothing'],
		['n_layer', 1e9, 'config.n_layer: expected an integer from 1 to 512, got 1000000000'],
		['n_positions', 0, 'config.n_positions: expected an integer from 2 to 131072, got 0'],
		['activation_function', 'swishglu9', 'config.activation_function: expected one of gelu_new'],
		['layer_norm_epsilon', 0, 'config.layer_norm_epsilon: expected a positive number, got 0'],
		[
			'quantization_config',
			{},
			'config.quantization_config: expected plain weights, got an object',
		],
		['add_cross_attention', true, 'config.add_cross_attention: expected false, got true'],
		[
			'architectures',
			['GPT2ForSequenceClassification'],
			'config.architectures: expected names that end in ForCausalLM or LMHeadModel, got "GPT2For',
		],
	])('with %s %j is refused', (key, value, message) => {
		expect(() => parseForeignConfig({ ...gpt2, [key]: value }, 'huggingface')).toThrow(message)
	})

	test('of nanoGPT has the exact gelu and may have no biases', () => {
		const args = { n_layer: 2, n_head: 2, n_embd: 8, block_size: 16, vocab_size: 5, bias: false }
		const config = parseForeignConfig(args, 'nanogpt')
		expect(config).toMatchObject({ activation: 'gelu_erf', hasBias: false, contextLength: 16 })
		expect([...networkOf(config).tensors.keys()].filter((name) => name.endsWith('bias'))).toEqual(
			[],
		)
	})
})

describe('tensors of other trainers', () => {
	const config = parseForeignConfig(readConfig('gpt2-bf16'), 'huggingface')
	const names = foreignNames(config, 'huggingface')

	test('are named without what wraps the model; masks and tied heads are none', () => {
		expect(names.tensorName('transformer.h.0.attn.c_attn.bias')).toBe('h.0.attn.c_attn.bias')
		expect(names.tensorName('_orig_mod.transformer.wte.weight')).toBe('wte.weight')
		expect(names.tensorName('wte.weight')).toBe('wte.weight')
		expect(names.tensorName('transformer.h.11.attn.bias')).toBeNull()
		expect(names.tensorName('h.0.attn.masked_bias')).toBeNull()
		expect(names.tensorName('lm_head.weight')).toBeNull()
	})

	test('lie as [in, out] in the matrices of a layer where Hugging Face wrote them', () => {
		expect(names.isTransposed('h.0.mlp.c_fc.weight')).toBe(true)
		expect(names.isTransposed('h.0.mlp.c_fc.bias')).toBe(false)
		expect(names.isTransposed('wpe.weight')).toBe(false)
		expect(foreignNames(config, 'nanogpt').isTransposed('h.0.mlp.c_fc.weight')).toBe(false)
	})
})

describe('a config like that of Llama', () => {
	const llama = readConfig('llama-rope3-chat')
	const parse = (changes: Record<string, unknown>, base = llama) =>
		parseForeignConfig({ ...base, ...changes }, 'huggingface')

	test('has its rotation in either of the two spellings', () => {
		const rotation = { rope_parameters: undefined, rope_theta: 5e5 }
		const { rope_theta: _, ...scaling } = llama['rope_parameters'] as Record<string, unknown>
		expect(parse({ ...rotation, rope_scaling: scaling })).toEqual(parse({}))
		const { rope_type, ...older } = scaling
		expect(parse({ ...rotation, rope_scaling: { ...older, type: rope_type } })).toEqual(parse({}))
	})

	test('slides its window in Mistral, and in Qwen2 from a layer on if it says so', () => {
		const windowsOf = (changes: Record<string, unknown>, name: string) =>
			(parse(changes, readConfig(name)) as LlamaConfig).windows
		expect(windowsOf({}, 'mistral-swa')).toEqual([24, 24])
		expect(windowsOf({ sliding_window: null }, 'mistral-swa')).toEqual([0, 0])
		expect(windowsOf({ sliding_window: 16 }, 'qwen2')).toEqual([0, 0])
		const late = { use_sliding_window: true, sliding_window: 16, max_window_layers: 1 }
		expect(windowsOf({ ...late, layer_types: undefined }, 'qwen2')).toEqual([0, 16])
		const types = ['sliding_attention', 'full_attention']
		expect(windowsOf({ ...late, layer_types: types }, 'qwen2')).toEqual([16, 0])
	})

	test.each<[string, unknown, string]>([
		['num_key_value_heads', 3, 'expected a divisor of num_attention_heads 4, got 3'],
		['head_dim', 15, "a share that turns an even number of a head's 15 channels"],
		['hidden_act', 'xielu', 'config.hidden_act: expected one of silu, swish, relu'],
		[
			'rope_parameters',
			{ rope_type: 'dynamic', rope_theta: 1e4, factor: 4 },
			'config.rope_parameters.rope_type: expected one of default, linear, llama3, yarn, longrope, got "dynamic"',
		],
		['rope_parameters', { rope_type: 'linear' }, 'factor: expected a positive number, got nothing'],
	])('with %s %j is refused', (key, value, message) => {
		expect(() => parse({ [key]: value })).toThrow(message)
	})
})

test('GPT-Neo attends by turns to everything and to its last positions', () => {
	const config = readConfig('gptneo')
	const windowsOf = (changes: Record<string, unknown>) =>
		(parseForeignConfig({ ...config, ...changes }, 'huggingface') as NeoConfig).windows
	expect(windowsOf({})).toEqual([0, 16, 0, 16])
	expect(windowsOf({ attention_layers: undefined })).toEqual([0, 16, 0, 16])
	expect(() => windowsOf({ attention_layers: ['global'] })).toThrow(
		'config.attention_layers: expected 4 of global, local, got an array of 1',
	)
	const short = { attention_layers: undefined, attention_types: [[['global'], 1e9]] }
	expect(() => windowsOf(short)).toThrow('config.attention_types: expected lists of words')
})

test('a network of the largest sizes that a config may name is described at once', () => {
	const largest = { num_attention_heads: 4096, hidden_size: 65_536, num_hidden_layers: 512 }
	const config = parseForeignConfig({ ...readConfig('neox-parallel'), ...largest }, 'huggingface')
	const { tensors } = networkOf(config)
	const qkv = [...tensors.values()].filter(({ name }) => name.includes('query_key_value'))
	const lists = new Set(qkv.flatMap(({ placements }) => placements.map(({ moves }) => moves)))
	expect(qkv).toHaveLength(2 * 512)
	expect(lists.size).toBe(1)
})

describe('the parts of a network', () => {
	const directories = readdirSync(fixtures).filter((name) =>
		existsSync(join(fixtures, name, 'model.safetensors')),
	)

	test.each(directories)('are the tensors that the original wrote into %s', (name) => {
		using source = openFileSource(join(fixtures, name, 'model.safetensors'))
		const config = parseForeignConfig(readConfig(name), 'huggingface')
		const names = foreignNames(config, 'huggingface')
		const written = new Map<string, unknown>()
		for (const { name: stored, shape } of openSafetensors(source).values()) {
			const tensor = names.tensorName(stored)
			if (tensor === null) continue
			const isTransposed = names.isTransposed(tensor)
			written.set(tensor, isTransposed ? (shape as number[]).toReversed() : shape)
		}
		const { tensors } = networkOf(config)
		const expected = new Map([...tensors.values()].map(({ name, shape }) => [name, shape]))
		expect(written).toEqual(expected as never)
	})

	test('cover every output and number of their memory once', () => {
		for (const name of directories) {
			const { slots, tensors } = networkOf(parseForeignConfig(readConfig(name), 'huggingface'))
			const filled = slots.map(() => 0)
			for (const { shape, placements } of tensors.values()) {
				const rowLength = shape.slice(1).reduce((product, size) => product * size, 1)
				for (const { slot, moves } of placements) {
					const rows = moves.reduce((sum, move) => sum + move.rows, 0)
					filled[slot.index]! += slot.kind === 'plain' ? rows * rowLength : rows
				}
			}
			const sizes = slots.map((slot) => (slot.kind === 'plain' ? slot.floats : slot.outputs))
			expect(filled).toEqual(sizes)
		}
	})
})
