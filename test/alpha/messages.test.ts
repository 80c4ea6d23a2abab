import { expect, test } from 'bun:test'
import { toChatMessages } from '../../src/alpha/messages.ts'

test('content wins over parts, which repeat it', () => {
	const parts = [{ type: 'text', text: 'from parts' }]
	expect(toChatMessages([{ role: 'user', content: 'plain', parts }])).toEqual([
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
	expect(toChatMessages([{ role: 'assistant', parts }])).toEqual([
		{ role: 'assistant', content: 'ab' },
	])
})

test('an assistant that only called a tool has said nothing', () => {
	expect(toChatMessages([{ role: 'assistant' }])).toEqual([{ role: 'assistant', content: '' }])
})
