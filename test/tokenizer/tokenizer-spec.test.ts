import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import { parseTokenizerSpec } from '../../src/tokenizer/tokenizer-spec.ts'
import { loadTokenizerFixtures } from './fixture-tokenizers.ts'

const bpe = {
	type: 'bpe',
	vocabSize: 4,
	vocab: ['a', 'b', '<|end|>', 'ab'],
	merges: [[0, 1]],
	specialTokens: ['<|end|>'],
}

test('reserved tokens are trimmed, unique, in the vocabulary and tried longest first', () => {
	const specialTokens = ['<|a|>', '  <|end|> ', '', ' ', '<|end|>', '<|none|>']
	const vocab = ['<|a|>', 'b', '<|end|>']
	const spec = parseTokenizerSpec({ type: 'bpe', vocab, merges: [], specialTokens }, 'binary')
	expect(spec.specialTokens).toEqual(['<|end|>', '<|a|>'])
})

test('1000 merges or more use the queue in the binary form only', () => {
	const { artifacts } = loadTokenizerFixtures().find(({ name }) => name === 'v2-bpe-heap')!
	expect(parseTokenizerSpec(artifacts, 'binary').mergeOrder).toBe('queue')
	expect(parseTokenizerSpec(artifacts, 'json').mergeOrder).toBe('plain')
	expect(parseTokenizerSpec(bpe, 'binary').mergeOrder).toBe('plain')
})

test('merges and reserved tokens of a char or word tokenizer are ignored', () => {
	const spec = parseTokenizerSpec({ ...bpe, type: 'char', merges: 'x' }, 'json')
	expect(spec).toEqual({
		type: 'char',
		vocab: bpe.vocab,
		merges: [],
		specialTokens: [],
		mergeOrder: 'plain',
	})
})

describe('refuses with what was expected and what came', () => {
	test.each([
		['no object', [], /tokenizerArtifacts: expected an object, got \[\]/],
		['null', null, /expected an object, got null/],
		['another type', { ...bpe, type: 'BPE' }, /type: expected "bpe", "char" or "word", got "BPE"/],
		['no vocab', { type: 'char' }, /vocab: expected an array, got nothing/],
		['an empty vocab', { type: 'char', vocab: [] }, /vocab: expected at least 1 entry/],
		[
			'a number in vocab',
			{ type: 'char', vocab: ['a', 5] },
			/vocab\[1\]: expected a string, got 5/,
		],
		['another vocabSize', { ...bpe, vocabSize: 5 }, /vocabSize: expected 4, .*, got 5/],
		['a vocabSize string', { ...bpe, vocabSize: '4' }, /vocabSize: expected 4, .*, got "4"/],
		[
			'merges of an id too high',
			{ ...bpe, merges: [[0, 3]] },
			/merges\[0\]: .* 0 to 2, got \[0, 3\]/,
		],
		['a merge of one id', { ...bpe, merges: [[0]] }, /merges\[0\]: expected two ids/],
		['a merge of three ids', { ...bpe, merges: [[0, 1, 1]] }, /at most 2 entries/],
		['a merge of strings', { ...bpe, merges: [['a', 'b']] }, /merges\[0\]: expected two ids/],
		['a merge of fractions', { ...bpe, merges: [[0.5, 1]] }, /merges\[0\]: expected two ids/],
		['a merge with another text', { ...bpe, merges: [[1, 0]] }, /vocab\[3\]: .* joined.*got "ab"/],
		[
			'more merges than ids',
			{ ...bpe, merges: Array(5).fill([0, 1]) },
			/merges: expected at most 4/,
		],
		[
			'special tokens that are no array',
			{ ...bpe, specialTokens: {} },
			/specialTokens: expected an/,
		],
		['too many of them', { ...bpe, specialTokens: Array(300).fill('x') }, /at most 256 entries/],
		['a huge vocab', { type: 'char', vocab: Array(2 ** 20 + 1).fill('a') }, /at most 1048576/],
		['a huge token', { type: 'char', vocab: ['a'.repeat(70_000)] }, /at most 65536 characters/],
		['a type from the prototype', Object.create(bpe), /type: .* got nothing/],
	])('%s', (_, artifacts, message) => {
		expect(() => parseTokenizerSpec(artifacts, 'binary')).toThrow(message)
	})
})

test('any JSON either throws an Error or gives a tokenizer that works', () => {
	const anyArtifacts = fc.record(
		{
			type: fc.constantFrom('bpe', 'char', 'word', 'BPE', 1),
			vocabSize: fc.oneof(fc.nat(4), fc.jsonValue()),
			vocab: fc.oneof(fc.array(fc.string({ unit: 'binary' })), fc.jsonValue()),
			merges: fc.oneof(fc.array(fc.tuple(fc.nat(4), fc.nat(4))), fc.jsonValue()),
			specialTokens: fc.oneof(fc.array(fc.string()), fc.jsonValue()),
		},
		{ requiredKeys: ['type', 'vocab'] },
	)
	let accepted = 0
	fc.assert(
		fc.property(anyArtifacts, fc.string({ unit: 'binary' }), (artifacts, text) => {
			let spec: ReturnType<typeof parseTokenizerSpec>
			try {
				spec = parseTokenizerSpec(artifacts, 'json')
			} catch (error) {
				expect((error as Error).message).toStartWith('tokenizerArtifacts')
				return
			}
			accepted++
			const tokenizer = createTokenizer(spec)
			expect(tokenizer.decode(tokenizer.encode(text)).isWellFormed()).toBe(true)
		}),
		{ seed: 11, numRuns: 3000 },
	)
	expect(accepted).toBeGreaterThan(100)
})
