/*
 * Every draw of the engine's sampler equals that of obvious code: edits in their documented order
 * (repetition, presence, frequency, bias), then the naive sampler.
 */
import { describe, expect, test } from 'bun:test'
import type { SamplingParams } from '../../../src/engine/generation.ts'
import { Sampler } from '../../../src/engine/worker/sampler.ts'
import { Sequence } from '../../../src/engine/worker/sequence.ts'
import { openKernels } from '../../../src/kernels/binding.ts'
import { Matrix } from '../../../src/kernels/buffer.ts'
import { uniform } from '../../helpers/random-model.ts'
import { libraryPath } from '../../helpers/test-engine.ts'
import { naiveSample } from '../../kernels/naive-sampler.ts'
import { generationRequest, greedy } from '../requests.ts'

const kernels = openKernels(libraryPath)
kernels.select('')

const vocabSize = 150
const { fround } = Math

/** What sampling does to a row, said plainly. */
function naiveEdits(
	row: Float32Array,
	sampling: SamplingParams,
	prompt: readonly number[],
	output: readonly number[],
): void {
	for (const id of new Set([...prompt, ...output])) {
		const logit = row[id]!
		const factor = sampling.repetitionPenalty
		row[id] = logit > 0 ? logit / factor : logit * factor
	}
	for (const id of new Set(output)) {
		const count = output.filter((other) => other === id).length
		row[id] = fround(row[id]! - (sampling.presencePenalty + sampling.frequencyPenalty * count))
	}
	for (const [id, bias] of sampling.logitBias) row[id] = fround(row[id]! + bias)
}

describe('sampler', () => {
	const cases: [string, Partial<SamplingParams>][] = [
		['no edits', {}],
		['a repetition penalty', { repetitionPenalty: 1.3 }],
		['a repetition reward', { repetitionPenalty: 0.7 }],
		['a presence penalty', { presencePenalty: 1.5 }],
		['a frequency penalty', { frequencyPenalty: 0.4 }],
		[
			'a logit bias',
			{
				logitBias: [
					[3, 5],
					[7, -100],
					[11, 2.5],
				],
			},
		],
		[
			'everything at once',
			{
				repetitionPenalty: 1.2,
				presencePenalty: -0.5,
				frequencyPenalty: 0.3,
				logitBias: [
					[2, 1],
					[9, -3],
				],
				topK: 30,
				topP: 0.9,
				minP: 0.02,
			},
		],
	]

	test.each(cases)('draws like the reference with %s', (_, changes) => {
		const next = uniform(17)
		const logits = new Matrix(1, vocabSize)
		const sampler = new Sampler(kernels, logits, { tokenCount: vocabSize, rowsMax: 4 })
		const sampling: SamplingParams = {
			...greedy,
			temperature: 0.8,
			seed: 2 ** 33 + 5,
			...changes,
		}
		const prompt = [3, 9, 9, 140, 7]
		const request = generationRequest(prompt, { sampling, maxTokens: 400 })
		const sequence = new Sequence(1, 2, request, 'generate', 512)
		const output: number[] = []
		for (let counter = 0; counter < 400; counter++) {
			const row = Float32Array.from({ length: vocabSize }, () => (next() - 0.5) * 8)
			logits.row(0).set(row)
			naiveEdits(row, sampling, prompt, output)
			const expected = naiveSample(row, {
				...sampling,
				seed: [sampling.seed % 2 ** 32, Math.floor(sampling.seed / 2 ** 32)],
				choice: 2,
				counter,
			})
			sampler.clear()
			const index = sampler.add(sequence, 0)
			const drawn = sampler.draw()[index]!
			expect([counter, drawn]).toEqual([counter, expected])
			output.push(drawn)
			sequence.append(drawn)
		}
		expect(new Set(output).size).toBeGreaterThan(10)
	})

	test('never draws an id that only pads the table, however likely it is', () => {
		const logits = new Matrix(1, vocabSize)
		const sampler = new Sampler(kernels, logits, { tokenCount: vocabSize - 7, rowsMax: 1 })
		for (const temperature of [0, 1]) {
			const request = generationRequest([1], { sampling: { ...greedy, temperature } })
			logits
				.row(0)
				.fill(-50)
				.fill(50, vocabSize - 7)
			logits.row(0)[vocabSize - 8] = 0
			sampler.clear()
			const index = sampler.add(new Sequence(1, 0, request, 'generate', 64), 0)
			expect(sampler.draw()[index]!).toBe(vocabSize - 8)
		}
	})

	test('never draws what a mask forbids, nor a stop token before its time', () => {
		const logits = new Matrix(1, vocabSize)
		const sampler = new Sampler(kernels, logits, { tokenCount: vocabSize, rowsMax: 1 })
		const request = generationRequest([1], {
			sampling: { ...greedy, temperature: 2 },
			constrained: true,
			stopTokenIds: [4],
			minTokens: 1,
		})
		const sequence = new Sequence(1, 0, request, 'generate', 64)
		sequence.mask = new Uint32Array(Math.ceil(vocabSize / 32))
		sequence.mask[0] = 0b110010000
		logits.row(0).fill(1)
		sampler.clear()
		const index = sampler.add(sequence, 0)
		expect([7, 8]).toContain(sampler.draw()[index]!)
	})
})
