import { expect, test } from 'bun:test'
import { fromChunks, toChunks } from '../../src/lib/chunked-lists.ts'
import { sent } from '../helpers/sent.ts'

test('what is sent is what arrives, whatever the lists hold and wherever they stand', () => {
	const value = {
		words: Array.from({ length: 5000 }, (_, i) => `wörd\0"\\\u2028${i}`),
		bytes: Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)),
		halves: Array.from({ length: 0x800 }, (_, i) => String.fromCharCode(0xd800 + i)),
		pairs: Array.from({ length: 5000 }, (_, i) => [i, 2 ** 31 + i]),
		inner: { objects: Array.from({ length: 300 }, (_, id) => ({ id, isShown: id % 2 === 0 })) },
		stages: [{ texts: Array.from({ length: 300 }, String) }, { texts: ['a'] }],
		numbers: Float64Array.of(Number.NEGATIVE_INFINITY, -0, 0.1),
		none: null,
		absent: undefined,
		infinite: [Number.NEGATIVE_INFINITY],
		empty: [],
	}
	expect(sent(value)).toStrictEqual(value)
})

test('shared memory is not copied', () => {
	const memory = new SharedArrayBuffer(8)
	const copy = sent({ memory, names: Array.from({ length: 300 }, String) })
	new Uint8Array(memory)[0] = 7
	expect(new Uint8Array(copy.memory)[0]).toBe(7)
})

test('a value stays as it was when it is sent', () => {
	const names = Array.from({ length: 300 }, String)
	const value = { names }
	toChunks(value)
	expect(value.names).toBe(names)
	expect(names).toHaveLength(300)
})

test('a long list is made in many steps, long items included', () => {
	const stepsOf = (list: string[]) => [...fromChunks(toChunks({ list }))].length
	expect(stepsOf(Array.from({ length: 50_000 }, (_, i) => `token ${i}`))).toBeGreaterThan(40)
	expect(stepsOf(Array.from({ length: 300 }, () => 'x'.repeat(2 ** 14)))).toBe(300)
})
