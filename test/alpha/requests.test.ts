import { expect, test } from 'bun:test'
import { fromUiMessages } from '../../src/alpha/requests.ts'

test('content wins over parts, which repeat it', () => {
	const parts = [{ type: 'text', text: 'from parts' }]
	expect(fromUiMessages([{ role: 'user', content: 'plain', parts }])).toEqual([
		{ role: 'user', content: 'plain' },
	])
})

test('parts that are not text add nothing', () => {
	const parts = [
		{ type: 'step-start' },
		{ type: 'text', text: 'a' },
		{ type: 'reasoning', text: 'hidden' },
		{ type: 'text' },
		{ type: 'text', text: 'b' },
	]
	expect(fromUiMessages([{ role: 'assistant', parts }])).toEqual([
		{ role: 'assistant', content: 'ab' },
	])
})

test('an assistant that only called a tool has said nothing', () => {
	expect(fromUiMessages([{ role: 'assistant' }])).toEqual([{ role: 'assistant', content: '' }])
})
