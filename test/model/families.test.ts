import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { foreignNames, networkOf, parseForeignConfig } from '../../src/model/families.ts'

const fixtures = join(import.meta.dir, '../fixtures/families')

function readConfig(name: string): Record<string, unknown> {
	return JSON.parse(readFileSync(join(fixtures, name, 'config.json'), 'utf8'))
}

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
			tiesHead: true,
			scalesScores: true,
			scalesScoresByLayer: false,
		} as never)
	})

	test.each<[string, unknown, string]>([
		['model_type', 'mamba', 'config.model_type: expected one of gpt2, got "mamba"'],
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
	])('with %s %p is refused', (key, value, message) => {
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

test('every directory of the fixtures with a GPT-2 config has a network', () => {
	const directories = readdirSync(fixtures).filter((name) => /^gpt2/.test(name))
	expect(directories.length).toBeGreaterThan(3)
	for (const name of directories) {
		const { nLayer } = parseForeignConfig(readConfig(name), 'huggingface')
		expect(nLayer).toBeGreaterThan(0)
	}
})
