import { expect, test } from 'bun:test'
import { encodeText, encodeTexts } from '../../src/text/encode.ts'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts'
import { turnsDuring } from '../helpers/turns.ts'
import { loadTokenizer } from '../tokenizer/fixture-tokenizers.ts'

const tokenizer = loadTokenizer('v2-gelu-bpe')
const longText = 'In the beginning God created the heaven and the earth. '.repeat(8000)

test('a long text gets the ids that it gets at once, while others have their turns', async () => {
	const encoding = encodeText(longText, tokenizer, 'read')
	expect(await turnsDuring(encoding)).toBeGreaterThan(3)
	expect(await encoding).toEqual(tokenizer.encode(longText))
})

test('many short texts are a long one', async () => {
	const texts = longText.match(/[^.]+/g)!
	const encoding = encodeTexts(texts, tokenizer, 'plain')
	expect(await turnsDuring(encoding)).toBeGreaterThan(3)
	expect((await encoding)[1]).toEqual(tokenizer.encodePlain(texts[1]!))
})

test('several long texts at once take turns, each of them one slice long', async () => {
	let slices = 0
	const counted: Tokenizer = {
		...tokenizer,
		*encodeSteps() {
			for (let step = 0; step < 3; step++) {
				slices++
				for (const end = performance.now() + 5; performance.now() < end; );
				yield
			}
			return []
		},
	}
	const encodings = Promise.all([1, 2, 3].map(() => encodeText('', counted, 'read')))
	const slicesByTurn: number[] = []
	let isOver = false
	const count = () => {
		slicesByTurn.push(slices)
		slices = 0
		if (!isOver) setImmediate(count)
	}
	slices = 0
	setImmediate(count)
	await encodings
	isOver = true
	expect(Math.max(...slicesByTurn)).toBe(1)
})
