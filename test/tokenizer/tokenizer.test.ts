import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import type { TrainerTokenizerSpec } from '../../src/tokenizer/tokenizer.ts'
import { loadTokenizer, loadTokenizerFixtures } from './fixture-tokenizers.ts'

const fixtures = loadTokenizerFixtures()

describe.each(fixtures)('$name', ({ tokenizer, answers }) => {
	test('encodes every text to the ids of the trainer', () => {
		for (const { text, ids } of answers.encode) {
			expect({ text, ids: tokenizer.encode(text) }).toEqual({ text, ids })
		}
	})

	test('decodes every id list to the text of the trainer', () => {
		for (const { ids, decoded } of answers.encode) expect(tokenizer.decode(ids)).toBe(decoded)
		for (const { ids, text } of answers.decode ?? []) expect(tokenizer.decode(ids)).toBe(text)
		for (const [id, piece] of (answers.pieces ?? []).entries())
			expect(tokenizer.tokenText(id)).toBe(piece)
	})

	test('streams pieces that join to the text decoded at once', () => {
		const lists = [...(answers.decode ?? []), ...answers.encode]
		for (const { ids } of lists) {
			const decoder = tokenizer.createDecoder()
			const pieces = ids.map((id) => decoder.push(id))
			expect(pieces.join('') + decoder.flush()).toBe(tokenizer.decode(ids))
		}
	})
})

test('a bpe stream has the very pieces of the trainer', () => {
	const { tokenizer, answers } = fixtures.find(({ name }) => name === 'v2-bpe-chat')!
	for (const { ids, streamed } of answers.decode!) {
		const decoder = tokenizer.createDecoder()
		expect(ids.map((id) => decoder.push(id))).toEqual(streamed)
	}
})

test('reserved tokens are ordinary characters in plain encoding', () => {
	const tokenizer = loadTokenizer('v2-bpe-chat')
	const ids = tokenizer.encodePlain('<|user|> Good night.')
	expect(tokenizer.decode(ids)).toBe('<|user|> Good night.')
	expect(ids).not.toContain(tokenizer.specialTokenId('<|user|>'))
	expect(tokenizer.encode('<|user|>')).toEqual([tokenizer.specialTokenId('<|user|>')!])
})

test('a reserved token is known by its exact text only', () => {
	const tokenizer = loadTokenizer('v2-bpe-chat')
	expect(tokenizer.specialTokenId('<|end_of_text|>')).toBe(48)
	expect(tokenizer.specialTokenId('<|system|>')).toBeUndefined()
	expect(tokenizer.specialTokenId('the ')).toBeUndefined()
})

test('generation starts at the newline, or at id 0 where there is none', () => {
	expect(loadTokenizer('v1-bpe').startTokenId).toBe(1)
	expect(createTokenizer(spec({ type: 'char', vocab: ['a', 'b'] })).startTokenId).toBe(0)
})

test('of equal vocabulary entries the later one is encoded', () => {
	const tokenizer = createTokenizer(spec({ type: 'char', vocab: ['a', 'b', 'a'] }))
	expect(tokenizer.encode('ab')).toEqual([2, 1])
})

test('a lone surrogate of the vocabulary encodes as stored and decodes as U+FFFD', () => {
	const tokenizer = createTokenizer(spec({ type: 'char', vocab: ['a', '\ud83d', '\ude42'] }))
	expect(tokenizer.encode('a\ud83da')).toEqual([0, 1, 0])
	expect(tokenizer.decode([1, 2])).toBe('\ufffd\ufffd')
	expect(tokenizer.encode('🙂')).toEqual([])
})

test('words split at every white space that JavaScript knows and keep their newlines', () => {
	const tokenizer = createTokenizer(spec({ type: 'word', vocab: ['\n', 'a', 'b', 'a\u200bb'] }))
	expect(tokenizer.encode('\u3000a\t\v\u00a0b\n\n x\ufeffa\u200bb\r\n')).toEqual([1, 2, 0, 0, 3, 0])
})

test('plain merges equal one pass per merge in rank order', () => {
	fc.assert(
		fc.property(mergeSpec(), fc.string({ unit: fc.constantFrom('a', 'b', 'c') }), (bpe, text) => {
			expect(createTokenizer(bpe).encode(text)).toEqual(mergeByPasses(bpe, text))
		}),
		{ seed: 7, numRuns: 2000 },
	)
})

test('the queue order decides runs of one character as the trainer does', () => {
	const tokenizer = loadTokenizer('v2-bpe-heap')
	const pieces = tokenizer.encode('-----').map((id) => tokenizer.tokenText(id).length)
	expect(pieces).toEqual([2, 1, 2])
})

test.each([
	['one letter', 'a'],
	['blanks', ' '],
	['emoji', '🙂'],
	['lone surrogates', '\ud83d'],
	['starts of a reserved token', '<|user|'],
	['newlines', '\n'],
])('a text of a million %s costs near-linear time', (_, unit) => {
	for (const name of ['v1-bpe', 'v2-bpe-heap', 'v2-bpe-chat', 'v1-char', 'v1-word']) {
		const tokenizer = loadTokenizer(name)
		const text = unit.repeat(1_000_000 / unit.length)
		const started = performance.now()
		tokenizer.encode(text)
		// A quadratic scan or merge would take minutes; the bound only has to tell the two apart.
		expect(performance.now() - started).toBeLessThan(5000)
	}
})

function spec(
	fields: Pick<TrainerTokenizerSpec, 'type' | 'vocab'> & Partial<TrainerTokenizerSpec>,
): TrainerTokenizerSpec {
	return { merges: [], specialTokens: [], mergeOrder: 'plain', ...fields }
}

/** Random merges over a, b, c: each of two ids below its own, self-merges included. */
function mergeSpec(): fc.Arbitrary<TrainerTokenizerSpec> {
	const picks = fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 12 })
	return picks.map((pairs) => {
		const vocab = ['a', 'b', 'c']
		const merges = pairs.map(([left, right]): [number, number] => {
			const merge: [number, number] = [left % vocab.length, right % vocab.length]
			vocab.push(vocab[merge[0]]! + vocab[merge[1]]!)
			return merge
		})
		return spec({ type: 'bpe', vocab, merges })
	})
}

/** The definition, word for word. */
function mergeByPasses(bpe: TrainerTokenizerSpec, text: string): number[] {
	let ids = [...text].map((character) => 'abc'.indexOf(character))
	// The spec's own later duplicates of 'a', 'b', 'c' do not exist: merges make longer texts.
	for (const [rank, [left, right]] of bpe.merges.entries()) {
		const result = bpe.vocab.length - bpe.merges.length + rank
		const merged: number[] = []
		for (let at = 0; at < ids.length; at++) {
			if (ids[at] === left && ids[at + 1] === right) {
				merged.push(result)
				at++
			} else merged.push(ids[at]!)
		}
		ids = merged
	}
	return ids
}
