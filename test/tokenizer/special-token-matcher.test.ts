import { expect, test } from 'bun:test'
import { finish } from '../../src/lib/steps.ts'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import { SpecialTokenMatcher } from '../../src/tokenizer/special-token-matcher.ts'

/** The definition: at each place the longest token that the text goes on with. */
function longestByHand(tokens: readonly string[], text: string): number[] {
	return Array.from(text, (_, at) => {
		const matches = tokens.filter((token) => text.startsWith(token, at))
		const longest = matches.sort((a, b) => b.length - a.length)[0]
		return longest === undefined ? -1 : tokens.indexOf(longest)
	})
}

test('the longest token that starts at a place is found there', () => {
	const tokens = ['<|a|>', '<|ab|>', '<|', '|>', '<|a|><|b|>']
	const text = 'x<|a|><|ab|>y<|a|><|b|><|<|a|>|>'
	expect([...finish(SpecialTokenMatcher.of(tokens)).find(text)]).toEqual(
		longestByHand(tokens, text),
	)
})

test('tokens over few letters in all their overlaps are found as by hand', () => {
	let state = 7
	const random = (below: number) => {
		state = (state * 1_103_515_245 + 12_345) % 2 ** 31
		return (state >> 8) % below
	}
	const word = (length: number) => Array.from({ length }, () => 'ab'[random(2)]).join('')
	for (let round = 0; round < 300; round++) {
		const tokens = [...new Set(Array.from({ length: 1 + random(8) }, () => word(1 + random(6))))]
		const text = word(random(60))
		expect([...finish(SpecialTokenMatcher.of(tokens)).find(text)]).toEqual(
			longestByHand(tokens, text),
		)
	}
})

test('256 tokens that are nearly alike cost no more than one', () => {
	const specialTokens = Array.from({ length: 256 }, (_, i) => `${'a'.repeat(200 + i)}!`)
	const vocab = ['a', '!', ...specialTokens]
	const tokenizer = createTokenizer({
		type: 'bpe',
		vocab,
		merges: [],
		specialTokens,
		mergeOrder: 'plain',
	})
	const text = 'a'.repeat(128 * 1024)
	const startedAt = performance.now()
	expect(tokenizer.encode(text)).toHaveLength(text.length)
	// One after the other they took seconds.
	expect(performance.now() - startedAt).toBeLessThan(500)
})
