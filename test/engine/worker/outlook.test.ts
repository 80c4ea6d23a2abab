import { describe, expect, test } from 'bun:test'
import type { SamplingParams } from '../../../src/engine/generation.ts'
import { LIKELY_MAX } from '../../../src/engine/worker/guess-table.ts'
import { LikelyTokens } from '../../../src/engine/worker/likely-tokens.ts'
import { CERTAINTIES, Outlook } from '../../../src/engine/worker/outlook.ts'
import { Sampler } from '../../../src/engine/worker/sampler.ts'
import { Sequence } from '../../../src/engine/worker/sequence.ts'
import { openKernels } from '../../../src/kernels/binding.ts'
import { Matrix } from '../../../src/kernels/buffer.ts'
import { uniform } from '../../helpers/random-model.ts'
import { libraryPath } from '../../helpers/test-engine.ts'
import { generationRequest, greedy } from '../requests.ts'

const kernels = openKernels(libraryPath)
kernels.select('')

/** Tokens that the filters never drop. */
const plain = { temperature: 1, topK: 0, topP: 1, minP: 0 }

function outlookOf(weights: Readonly<Record<number, number>>): Outlook {
	const outlook = new Outlook(8)
	for (const [tokenId, weight] of Object.entries(weights)) outlook.add(Number(tokenId), weight)
	return outlook
}

describe('an outlook', () => {
	test.each<[string, Partial<SamplingParams>]>([
		['the temperature alone', {}],
		['a high temperature', { temperature: 1.6 }],
		['a low temperature', { temperature: 0.3 }],
		['top-k', { topK: 3 }],
		['top-p', { topP: 0.8 }],
		['min-p', { minP: 0.2 }],
		['all filters', { temperature: 0.7, topK: 5, topP: 0.9, minP: 0.05 }],
	])('of all probabilities guesses what the sampler draws, with %s', (_, filters) => {
		const next = uniform(3)
		const rows = 400
		const logits = new Matrix(rows, LIKELY_MAX)
		const limits = { tokenCount: LIKELY_MAX, rowsMax: rows }
		const sampler = new Sampler(kernels, logits, limits)
		const likely = new LikelyTokens(kernels, logits, LIKELY_MAX)
		const requests = Array.from({ length: rows }, (_, seed) => {
			for (let id = 0; id < LIKELY_MAX; id++) logits.row(seed)[id] = 6 * next()
			return generationRequest([1], { sampling: { ...greedy, ...plain, ...filters, seed } })
		})
		sampler.clear()
		for (const [row, request] of requests.entries()) {
			sampler.add(new Sequence(row, 0, request, 'generate', 16), row)
		}
		const drawn = [...sampler.draw().slice(0, rows)]
		const guessed = requests.map(({ sampling }, row) => {
			const { count, tokenIds, shares } = likely.read(row)
			const outlook = new Outlook(LIKELY_MAX)
			for (let i = 0; i < count; i++) outlook.add(tokenIds[i]!, shares[i]!)
			return outlook.guess(sampling, kernels.uniform(sampling.seed, 0, 0))
		})
		expect(guessed).toEqual(drawn)
	})

	test('without a number to draw from guesses what most speaks for', () => {
		const outlook = outlookOf({ 4: 0.3, 9: 0.25, 2: 0.1 })
		outlook.add(9, 0.1)
		expect(outlook.guess(plain, null)).toBe(9)
	})

	test('is the surer the further away the number is at which another token begins', () => {
		const certainty = (number: number) => {
			const outlook = outlookOf({ 1: 0.5, 2: 0.5 })
			return [outlook.guess(plain, number), outlook.certainty]
		}
		expect(certainty(0.25)).toEqual([1, CERTAINTIES - 2])
		expect(certainty(0.4999)).toEqual([1, 0])
		expect(certainty(0.51)).toEqual([2, 3])
	})

	test('of one token alone is as sure as can be', () => {
		const outlook = outlookOf({ 5: 0.1 })
		expect([outlook.guess(plain, null), outlook.certainty]).toEqual([5, CERTAINTIES - 1])
		expect([outlook.guess(plain, 0.5), outlook.certainty]).toEqual([5, CERTAINTIES - 1])
	})
})

test('logits that are not finite make nothing likely', () => {
	const logits = new Matrix(1, LIKELY_MAX)
	logits.row(0).fill(Number.NaN)
	expect(new LikelyTokens(kernels, logits, LIKELY_MAX).read(0).count).toBe(0)
})
