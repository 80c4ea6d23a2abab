import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { openKernels, pointerOf } from '../../src/kernels/binding.ts'
import { type NaiveDraw, naiveSample, philox } from './naive-sampler.ts'

const kernels = openKernels(join(import.meta.dir, '../../dist/libkernels.so'))

/** Small deterministic generator: seeds are part of the test. */
function randomSource(seed: number): () => number {
	let state = seed >>> 0
	return () => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0
		return state / 2 ** 32
	}
}

function sample(logits: Float32Array, vocab: number, draws: readonly NaiveDraw[]): number[] {
	const ids = new Int32Array(draws.length)
	const scratch = new Uint8Array(kernels.sampleScratchBytes(vocab))
	const f32 = (of: (draw: NaiveDraw) => number) => Float32Array.from(draws, of)
	const i32 = (of: (draw: NaiveDraw) => number) => Int32Array.from(draws, of)
	const inputs = [
		new Int32Array(draws.length),
		f32((draw) => draw.temperature),
		i32((draw) => draw.topK),
		f32((draw) => draw.topP),
		f32((draw) => draw.minP),
		Uint32Array.from(draws.flatMap((draw) => draw.seed)),
		i32((draw) => draw.choice),
		i32((draw) => draw.counter),
	] as const
	const [rows, temperatures, topKs, topPs, minPs, seeds, choices, counters] = inputs
	kernels.sample(
		pointerOf(ids),
		pointerOf(logits),
		vocab,
		vocab,
		draws.length,
		pointerOf(rows),
		pointerOf(temperatures),
		pointerOf(topKs),
		pointerOf(topPs),
		pointerOf(minPs),
		pointerOf(seeds),
		pointerOf(choices),
		pointerOf(counters),
		pointerOf(scratch),
	)
	return [...ids]
}

const plain: NaiveDraw = {
	temperature: 1,
	topK: 0,
	topP: 1,
	minP: 0,
	seed: [1, 2],
	choice: 0,
	counter: 0,
}

describe('kernels_sample', () => {
	test('Philox gives the known answers of its authors', () => {
		expect(philox([0, 0], [0, 0, 0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8])
		const ones = 0xffffffff
		expect(philox([ones, ones], [ones, ones, ones, ones])).toEqual([
			0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd,
		])
	})

	test('draws from numbers that are known beforehand', () => {
		const logits = new Float32Array(64)
		const next = randomSource(3)
		const word = () => Math.floor(next() * 2 ** 32)
		const draws = Array.from({ length: 200 }, (): NaiveDraw => {
			const seed = [word(), word() >>> 11] as const
			return { ...plain, seed, choice: word() & 7, counter: word() & 1023 }
		})
		// Tokens that are equally likely share [0, 1) in the order of their ids.
		const expected = draws.map(({ seed: [low, high], choice, counter }) =>
			Math.floor(64 * kernels.uniform(high * 2 ** 32 + low, choice, counter)),
		)
		expect(sample(logits, 64, draws)).toEqual(expected)
	})

	test.each([
		['peaked', 4],
		['ordinary', 1],
		['flat', 0.05],
	])('draws what the naive sampler draws from %s logits', (_, spread) => {
		const random = randomSource(7)
		for (const vocab of [1, 2, 15, 16, 17, 64, 333, 2000]) {
			const logits = Float32Array.from({ length: vocab }, () => {
				const normal = random() + random() + random() - 1.5
				// Some ties, and some tokens that a mask has excluded.
				if (random() < 0.05) return Number.NEGATIVE_INFINITY
				return (random() < 0.2 ? Math.round(normal * 4) / 4 : normal) * 4 * spread
			})
			logits[0] = 0
			const draws = Array.from(
				{ length: 400 },
				(_, counter): NaiveDraw => ({
					temperature: [0, 0.3, 0.7, 1, 1.7][Math.floor(random() * 5)]!,
					topK: random() < 0.5 ? 0 : Math.floor(random() * (vocab + 2)),
					topP: [1, 1, 0.95, 0.5, 0.05, 0.9999][Math.floor(random() * 6)]!,
					minP: [0, 0, 0.02, 0.3][Math.floor(random() * 4)]!,
					seed: [Math.floor(random() * 2 ** 32), Math.floor(random() * 2 ** 32)],
					choice: Math.floor(random() * 3),
					counter,
				}),
			)
			expect(sample(logits, vocab, draws)).toEqual(draws.map((draw) => naiveSample(logits, draw)))
		}
	})

	test.each([
		['far apart', (u: number) => 200 * u],
		['close', (u: number) => 1e-3 * u],
		['mostly equal', (u: number) => Math.max(0, u - 0.99)],
		['mostly excluded', (u: number) => (u < 0.995 ? Number.NEGATIVE_INFINITY : u)],
		['huge', (u: number) => (u - 0.5) * 3e38],
	])('finds the few best of many logits that are %s', (_, of) => {
		const random = randomSource(11)
		for (const vocab of [700, 5000]) {
			const logits = Float32Array.from({ length: vocab }, () => of(random()))
			logits[vocab - 1] = of(0.999)
			const draws = Array.from({ length: 120 }, (_, counter) => ({
				...plain,
				topK: 1 + Math.floor(random() * 80),
				temperature: [0.5, 1, 2][counter % 3]!,
				counter,
			}))
			expect(sample(logits, vocab, draws)).toEqual(draws.map((draw) => naiveSample(logits, draw)))
		}
	})

	test('draws each token as often as its probability says', () => {
		const logits = Float32Array.from([0, Math.log(2), Math.log(3), Number.NEGATIVE_INFINITY])
		const draws = Array.from({ length: 60_000 }, (_, counter) => ({ ...plain, counter }))
		const counts = [0, 0, 0, 0]
		for (const id of sample(logits, 4, draws)) counts[id]!++
		expect(counts[3]).toBe(0)
		for (const [id, count] of [10_000, 20_000, 30_000].entries()) {
			expect(Math.abs(counts[id]! - count)).toBeLessThan(500)
		}
	})

	test('seed, choice and counter each change the draws', () => {
		const logits = new Float32Array(1000)
		const draws = Array.from({ length: 50 }, (_, counter) => ({ ...plain, counter }))
		const first = sample(logits, 1000, draws)
		expect(sample(logits, 1000, draws)).toEqual(first)
		const otherSeed = draws.map((draw) => ({ ...draw, seed: [1, 3] as const }))
		const otherChoice = draws.map((draw) => ({ ...draw, choice: 1 }))
		expect(sample(logits, 1000, otherSeed)).not.toEqual(first)
		expect(sample(logits, 1000, otherChoice)).not.toEqual(first)
		expect(new Set(first).size).toBeGreaterThan(40)
	})

	test('takes the lowest id of equals when it is greedy', () => {
		const logits = Float32Array.from([1, 5, 5, 2])
		expect(sample(logits, 4, [{ ...plain, temperature: 0 }])).toEqual([1])
		expect(sample(logits, 4, [{ ...plain, topK: 1 }])).toEqual([1])
	})

	test('gives id 0 for a row without any finite logit', () => {
		const logits = new Float32Array(40).fill(Number.NaN)
		expect(sample(logits, 40, [plain, { ...plain, temperature: 0 }])).toEqual([0, 0])
	})

	test('a temperature that overflows is greedy', () => {
		const logits = Float32Array.from([1, 3, 2])
		expect(sample(logits, 3, [{ ...plain, temperature: 1e-40 }])).toEqual([1])
	})
})
