import { expect, test } from 'bun:test'
import { smallHeap } from '../../../src/commands/serving/small-heap.ts'

const MIB = 2 ** 20

test('within less than 512 MB the heaps believe in a quarter of it, and freed pages go at once', () => {
	expect(smallHeap(256 * MIB, {})).toEqual({
		BUN_JSC_forceRAMSize: `${64 * MIB}`,
		MIMALLOC_PURGE_DELAY: '0',
	})
})

test('with 512 MB and more they are left alone', () => {
	expect(smallHeap(512 * MIB, {})).toBeNull()
})

test('who was started that way is not started again', () => {
	const variables = smallHeap(256 * MIB, {})
	expect(smallHeap(256 * MIB, { ...variables })).toBeNull()
})

test('a delay that somebody chose stays', () => {
	expect(smallHeap(256 * MIB, { MIMALLOC_PURGE_DELAY: '10' })).toMatchObject({
		MIMALLOC_PURGE_DELAY: '10',
	})
})
