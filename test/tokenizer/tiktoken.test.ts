import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import { GPT2_VOCAB_SIZE, gpt2Tokenizer } from '../../src/tokenizer/gpt2-vocabulary.ts'
import { byteBpeOfRanks } from '../../src/tokenizer/tiktoken.ts'

const path = join(import.meta.dir, '../fixtures/families/nanogpt-gpt2bpe/expected.json')
const { tokenizer: answers } = JSON.parse(readFileSync(path, 'utf8'))

test("GPT-2's vocabulary encodes as tiktoken does", () => {
	const spec = gpt2Tokenizer()
	expect(spec.vocab).toHaveLength(GPT2_VOCAB_SIZE)
	const tokenizer = createTokenizer(spec)
	for (const { text, ids } of answers.encode) {
		expect({ text, ids: tokenizer.encode(text) }).toEqual({ text, ids })
	}
})

test('a rank that no two tokens make is refused by its bytes', () => {
	const ranks = new Map([
		['a', 0],
		['b', 1],
		['abc', 2],
	])
	const vocabulary = { ranks, specialTokens: new Map(), promptPrefix: [], endTokenIds: [] }
	expect(() => byteBpeOfRanks({ ...vocabulary, expression: '' })).toThrow('616263')
})
