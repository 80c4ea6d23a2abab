import { describe, expect, test } from 'bun:test'
import type { GenerationRequest } from '../../../src/engine/generation.ts'
import { Guesser } from '../../../src/engine/worker/guesser.ts'
import { KvCache } from '../../../src/engine/worker/kv-cache.ts'
import { Scheduler } from '../../../src/engine/worker/scheduler.ts'
import { Sequence } from '../../../src/engine/worker/sequence.ts'
import { StepCosts } from '../../../src/engine/worker/step-costs.ts'
import { Batch } from '../../../src/model/batch.ts'
import { generationRequest, greedy } from '../requests.ts'

const contextLength = 64
const text = [5, 6, 7, 8, 9, 10, 11, 12]

/** Each seed draws all tokens from a number of its own. */
const uniform = (seed: number) => seed / 10

/** A sequence whose window holds these tokens. */
function sequenceOf(tokens: readonly number[], changes: Partial<GenerationRequest> = {}): Sequence {
	const request = generationRequest(tokens, { maxTokens: 40, ...changes })
	return new Sequence(1, 0, request, 'generate', contextLength)
}

/** What a row of logits may say of the next token: its shares. */
type Row = Readonly<Record<number, number>>

/** A guesser, and how to let it learn the last of a sequence's tokens, as drawn from these rows. */
function beginner(costs = StepCosts.assumed()) {
	let rows: readonly Row[] = []
	const guesser = new Guesser(costs, uniform, (row) => {
		const shares = Object.entries(rows[row]!)
		return {
			count: shares.length,
			tokenIds: Int32Array.from(shares, ([tokenId]) => Number(tokenId)),
			shares: Float32Array.from(shares, ([, share]) => share),
		}
	})
	return {
		guesser,
		learn(sequence: Sequence, drawnFrom: readonly Row[], decoding = 1) {
			rows = drawnFrom
			guesser.learn(sequence, rows.length, 0, decoding)
		},
	}
}

/** Rows from which nothing but these tokens could be drawn. */
function certain(tokens: readonly number[]): Row[] {
	return tokens.map((tokenId) => ({ [tokenId]: 1 }))
}

/** One that has seen `text` often. */
function experienced(costs = StepCosts.assumed()) {
	const { guesser, learn } = beginner(costs)
	for (let i = 0; i < 50; i++) learn(sequenceOf(text), certain(text))
	return { guesser, learn }
}

function guessesFor(guesser: Guesser, sequence: Sequence, rows = 1, decoding = 1): number[] {
	const { window } = sequence
	const count = guesser.guess(sequence, rows, decoding)
	return [...window.tokens.slice(window.length, window.length + count)]
}

describe('a guesser', () => {
	test('guesses nothing without experience', () => {
		expect(guessesFor(beginner().guesser, sequenceOf([5, 6, 7]))).toEqual([])
	})

	test('guesses what came after the same tokens before', () => {
		expect(guessesFor(experienced().guesser, sequenceOf([5, 6, 7]))).toEqual([8, 9, 10, 11, 12])
	})

	test('learns from prompts as well', () => {
		const { guesser } = beginner()
		guesser.learnPrompt(sequenceOf(text))
		expect(guessesFor(guesser, sequenceOf([5, 6, 7]))[0]).toBe(8)
	})

	test('guesses what came oftener, not what came last', () => {
		const { guesser, learn } = experienced()
		const other = [5, 6, 7, 99]
		learn(sequenceOf(other), certain(other))
		expect(guessesFor(guesser, sequenceOf([5, 6, 7]))[0]).toBe(8)
	})

	test('knows what else could have been drawn, and so what is drawn from another number', () => {
		const { guesser, learn } = beginner()
		const drawn = (tokens: readonly number[], seed: number) =>
			sequenceOf(tokens, { sampling: { ...greedy, temperature: 1, seed } })
		for (let i = 0; i < 50; i++) learn(drawn([5, 6, 7, 8], 1), [{ 8: 0.6, 20: 0.4 }])
		expect(guessesFor(guesser, drawn([5, 6, 7], 2))).toEqual([8])
		expect(guessesFor(guesser, drawn([5, 6, 7], 9))).toEqual([20])
	})

	test('guesses behind tokens that never came together what came behind the last of them', () => {
		expect(guessesFor(experienced().guesser, sequenceOf([50, 60, 7]))[0]).toBe(8)
	})

	test('learns nothing from rows that edits have changed', () => {
		const { guesser, learn } = beginner()
		for (let i = 0; i < 50; i++) learn(sequenceOf(text, { constrained: true }), certain(text))
		expect(guessesFor(guesser, sequenceOf([5, 6, 7]))).toEqual([])
	})

	test('tells nothing of texts under another salt', () => {
		expect(guessesFor(experienced().guesser, sequenceOf([5, 6, 7], { cacheSalt: 3 }))).toEqual([])
	})

	test('guesses less where more sequences decode, and nothing where rows cost as much as steps', () => {
		const alone = guessesFor(experienced().guesser, sequenceOf([5, 6, 7])).length
		const beside = guessesFor(experienced().guesser, sequenceOf([5, 6, 7]), 14, 14).length
		expect(beside).toBeLessThan(alone)
		expect(guessesFor(experienced().guesser, sequenceOf([5, 6, 7]), 64, 64)).toEqual([])
	})

	test('guesses nothing where steps show that it never pays, but one token once in a while to see whether it does', () => {
		const costs = StepCosts.assumed()
		const { guesser } = experienced(costs)
		for (let i = 0; i < 1000; i++) costs.took(1, 1 + (i % 2), 1 + 9 * (i % 2))
		expect(guessesFor(guesser, sequenceOf([5, 6, 7]))).toEqual([])
		for (let i = 0; i < 200; i++) costs.took(1, 1, 1)
		expect(guessesFor(guesser, sequenceOf([5, 6, 7]))).toEqual([8])
	})

	test('learns among so many sequences that nothing is guessed', () => {
		const { guesser, learn } = beginner()
		for (let i = 0; i < 50; i++) learn(sequenceOf(text), certain(text), 100)
		expect(guessesFor(guesser, sequenceOf([5, 6, 7]))[0]).toBe(8)
	})

	test('stops guessing for a sequence that goes other ways', () => {
		const { guesser, learn } = experienced()
		const sequence = sequenceOf([5, 6, 7])
		for (let i = 0; i < 200; i++) {
			const other = sequence.window
			other.length = 3
			other.append(20 + (i % 40))
			// It is drawn from what makes 8 likely.
			learn(sequence, certain([8]))
			other.length = 3
		}
		expect(guessesFor(guesser, sequence).length).toBeLessThan(3)
	})

	test.each<[string, Partial<GenerationRequest>]>([
		['log-probabilities', { logprobs: 1 }],
		['constraints', { constrained: true }],
		['a penalty', { sampling: { ...generationRequest([1]).sampling, presencePenalty: 1 } }],
		['a bias', { sampling: { ...generationRequest([1]).sampling, logitBias: [[1, 1]] } }],
		['a stop token that may not come yet', { stopTokenIds: [2], minTokens: 9 }],
	])('guesses nothing for a request with %s', (_, changes) => {
		expect(guessesFor(experienced().guesser, sequenceOf([5, 6, 7], changes))).toEqual([])
	})

	test('guesses no further than the last token of the request, and of the window', () => {
		expect(guessesFor(experienced().guesser, sequenceOf([5, 6, 7], { maxTokens: 3 }))).toEqual([
			8, 9,
		])
		const full = Array.from({ length: contextLength - 3 }, (_, i) => 100 + i)
		const sequence = sequenceOf([...full.slice(3), 5, 6, 7])
		expect(guessesFor(experienced().guesser, sequence)).toEqual([8, 9])
	})
})

describe('a step with guesses', () => {
	/** Reads the prompt, then schedules a step with the guesses 8 … 12. */
	function scheduled(changes: Partial<GenerationRequest> = {}) {
		const cache = new KvCache(8)
		const limits = { rowsMax: 64, readingRowsMax: 16, sequencesMax: 4 }
		const scheduler = new Scheduler(cache, limits, experienced().guesser)
		const batch = new Batch({ rowsMax: 64, spansMax: 8, blocksPerSequence: 2 })
		const sequence = sequenceOf([5, 6], changes)
		scheduler.submit([sequence])
		scheduler.commit(scheduler.schedule(batch)[0]!, [7])
		return { scheduler, sequence, batch, span: scheduler.schedule(batch)[0]! }
	}

	test('has a row for each of them, behind that of the last token', () => {
		const { span, batch } = scheduled()
		expect([span.count, span.draws, span.logits!.count]).toEqual([6, 6, 6])
		expect([...batch.tokenIds.slice(0, batch.rowCount)]).toEqual([7, 8, 9, 10, 11, 12])
		expect([...batch.positions.slice(0, batch.rowCount)]).toEqual([2, 3, 4, 5, 6, 7])
	})

	test('takes all tokens up to the first that was not guessed; its row is computed next', () => {
		const { scheduler, sequence, span, batch } = scheduled()
		expect(scheduler.commit(span, [8, 9, 40]).tokenCount).toBe(3)
		expect([...sequence.window.tokens.slice(0, sequence.window.length)]).toEqual([
			5, 6, 7, 8, 9, 40,
		])
		expect([sequence.window.computed, sequence.window.remaining]).toEqual([5, 1])
		scheduler.schedule(batch)
		expect([batch.tokenIds[0], batch.positions[0]]).toEqual([40, 5])
	})

	test('ends at a stop token, whatever was guessed behind it', () => {
		const { scheduler, sequence, span } = scheduled({ stopTokenIds: [9] })
		const ended = { hasReadPrompt: false, tokenCount: 1, finishReason: 'stop' } as const
		expect(scheduler.commit(span, [8, 9, 10])).toEqual(ended)
		expect(sequence.phase).toBe('finished')
	})
})
