import { describe, expect, test } from 'bun:test'
import { createTokenizerSteps } from '../../src/tokenizer/create-tokenizer.ts'
import { gpt2Tokenizer } from '../../src/tokenizer/gpt2-vocabulary.ts'
import type { PieceModel, TokenizerSpec } from '../../src/tokenizer/tokenizer.ts'
import { familyDirectories } from '../helpers/families.ts'
import { fixtureRuns } from '../helpers/fixtures.ts'
import { openFixture } from '../helpers/open-fixture.ts'
import { sent } from '../helpers/sent.ts'

/** Its directory does not tell its vocabulary. */
const UNNAMED = 'nanogpt-nometa-char'
const foreign = familyDirectories().filter((name) => name !== UNNAMED)
const fixtures = [...fixtureRuns(), ...foreign.map((name) => `families/${name}`)]

test.each(fixtures)('the tokenizer of %s arrives in another thread as it was sent', (name) => {
	using opened = openFixture(name)
	const spec = opened.file.parseTokenizer()
	expect(sent(spec)).toEqual(spec)
})

describe('a tokenizer is made in many steps when it is', () => {
	const vocab = Array.from({ length: 50_000 }, (_, id) => `${id} `)
	const merges = Array.from({ length: 50_000 }, (_, id): [number, number] => [id, id])
	const reserved = { stripsLeft: false, stripsRight: false, isWord: false, isSpecial: true }
	const trainer = (type: 'bpe' | 'char' | 'word', merges: [number, number][] = []) => {
		return { type, vocab, merges, specialTokens: [], mergeOrder: 'plain' } as const
	}
	const pieces = (model: PieceModel): TokenizerSpec => ({
		type: 'pieces',
		vocab,
		model,
		unknownId: null,
		fusesUnknown: false,
		byteIds: [],
		addedTokens: [],
		specialTokens: [],
		normalizer: [],
		preTokenizer: [],
		decoder: {
			readsBlankMarks: true,
			separator: '',
			dropsAtStart: 'nothing',
			byteRuns: 'whole',
		},
		promptPrefix: [0],
		endTokenIds: [],
	})
	const quads = Int32Array.from({ length: 200_000 }, (_, i) => i >> 2)
	const specs: Readonly<Record<string, () => TokenizerSpec>> = {
		"GPT-2's": gpt2Tokenizer,
		'one of 50,000 added tokens': () => ({
			...gpt2Tokenizer(),
			vocab,
			merges: [],
			addedTokens: vocab.map((text, id) => ({ ...reserved, id, text })),
		}),
		'one of 50,000 pieces that merge': () =>
			pieces({ type: 'bpe', merges: quads, characters: [], ignoresMerges: true }),
		'one of 50,000 pieces with scores': () =>
			pieces({
				type: 'unigram',
				scores: new Float64Array(vocab.length),
				unknownScore: -10,
				isSinglePrecision: false,
			}),
		'one of 50,000 words': () => pieces({ type: 'word' }),
		"our trainer's with 50,000 merges": () => trainer('bpe', merges),
		"our trainer's with 50,000 characters": () => trainer('char'),
		"our trainer's with 50,000 words": () => trainer('word'),
	}

	test.each(Object.keys(specs))('%s', (name) => {
		expect([...createTokenizerSteps(specs[name]!())].length).toBeGreaterThanOrEqual(150)
	})
})
