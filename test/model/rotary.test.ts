// Frequencies of rotary positions beside those that transformers computes for the same configs.
import { describe, expect, test } from 'bun:test'
import { llama } from '../../src/model/families/llama.ts'
import type { LlamaConfig } from '../../src/model/model-config.ts'
import { frequencyDivisors } from '../../src/model/rotary.ts'
import golden from '../fixtures/rotary.json' with { type: 'json' }

function parse(config: object): LlamaConfig {
	return llama.foreign!.modelTypes['llama']!(config)
}

describe.each(golden.cases)('$config.rope_parameters', (told) => {
	const { rotary } = parse(told.config)

	test('turns by the frequencies of transformers', () => {
		const half = rotary.channels / 2
		for (const [i, divisor] of frequencyDivisors(rotary).entries()) {
			const frequency = rotary.theta ** (-i / half) / divisor
			expect(Math.abs(frequency / told.frequencies[i]! - 1)).toBeLessThan(1e-6)
		}
	})

	test('multiplies cosines and sines by its factor', () => {
		const factor = 'attentionFactor' in rotary.scaling ? rotary.scaling.attentionFactor : 1
		expect(factor).toBeCloseTo(told.attention_factor, 12)
	})
})

test('of a LongRoPE the first context is served, where one set of frequencies holds', () => {
	const { config } = golden.cases.find(({ config }) => 'short_factor' in config.rope_parameters)!
	expect(parse(config).contextLength).toBe(64)
	const short = { ...config.rope_parameters, short_factor: [1, 2] }
	expect(() => parse({ ...config, rope_parameters: short })).toThrow(
		'short_factor: expected 8 positive numbers',
	)
})

test('a first context that is not told is the whole one', () => {
	const { config } = golden.cases[0]!
	const { original_max_position_embeddings: _, ...rest } = config.rope_parameters
	const { scaling } = parse({ ...config, rope_parameters: rest }).rotary
	expect(scaling).toMatchObject({ kind: 'yarn', firstContext: config.max_position_embeddings })
})
