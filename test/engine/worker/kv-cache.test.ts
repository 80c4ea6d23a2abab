import { describe, expect, test } from 'bun:test'
import { KvCache, rootContent } from '../../../src/engine/worker/kv-cache.ts'

const window = (length: number, start = 0) => Int32Array.from({ length }, (_, i) => start + i)

/** Allocates and registers the full blocks of a window, as a sequence does. */
function fill(cache: KvCache, tokens: Int32Array): Int32Array {
	const blocks = new Int32Array(Math.ceil(tokens.length / 32)).map(() => cache.allocate())
	let content = rootContent(0)
	for (let i = 0; (i + 1) * 32 <= tokens.length; i++) {
		content = cache.register(blocks[i]!, content, tokens, i * 32)
	}
	return blocks
}

describe('KV cache', () => {
	test('finds the full blocks of a prefix after their sequence has left', () => {
		const cache = new KvCache(8)
		const blocks = fill(cache, window(70))
		cache.release(blocks, blocks.length)
		const found = new Int32Array(3)
		const match = cache.match(window(100), 100, found)
		expect(match.blockCount).toBe(2)
		expect([...found.subarray(0, 2)]).toEqual([...blocks.subarray(0, 2)])
		expect(cache.used).toBe(2)
	})

	test('never covers the last token, whose logits are needed', () => {
		const cache = new KvCache(8)
		cache.release(fill(cache, window(64)), 2)
		expect(cache.match(window(64), 64, new Int32Array(2)).blockCount).toBe(1)
	})

	test('does not take a block whose tokens agree but whose prefix differs', () => {
		const cache = new KvCache(8)
		cache.release(fill(cache, window(64)), 2)
		const other = window(65)
		other[0] = 999
		expect(cache.match(other, 65, new Int32Array(3)).blockCount).toBe(0)
	})

	test('trimmed forgets all unused blocks but those used last, and leaves those in use alone', () => {
		const cache = new KvCache(8)
		const used = fill(cache, window(64, 2000))
		const first = fill(cache, window(64))
		const second = fill(cache, window(64, 1000))
		cache.release(first, 2)
		cache.release(second, 2)
		const trimmed = [...cache.trim(2)]
		expect(trimmed).toHaveLength(4)
		expect(trimmed).toEqual([...new Set(trimmed)].sort((a, b) => a - b))
		for (const block of [...used, ...second]) expect(trimmed).not.toContain(block)
		expect(cache.match(window(65), 65, new Int32Array(3)).blockCount).toBe(0)
		expect(cache.match(window(65, 1000), 65, new Int32Array(3)).blockCount).toBe(2)
		expect(cache.available).toBe(4)
		expect([...cache.trim(100)]).toEqual([])
	})

	test('evicts the end of the least recently used prefix first', () => {
		const cache = new KvCache(4)
		cache.release(fill(cache, window(64)), 2)
		cache.release(fill(cache, window(64, 1000)), 2)
		cache.allocate()
		expect(cache.match(window(65), 65, new Int32Array(3)).blockCount).toBe(1)
		expect(cache.match(window(65, 1000), 65, new Int32Array(3)).blockCount).toBe(2)
	})

	test('hands out unregistered blocks before cached ones', () => {
		const cache = new KvCache(3)
		const blocks = fill(cache, window(70))
		cache.release(blocks, 3)
		expect(cache.allocate()).toBe(blocks[2]!)
	})

	test('keeps a block that another sequence still uses', () => {
		const cache = new KvCache(4)
		const blocks = fill(cache, window(32))
		const shared = new Int32Array(2)
		cache.match(window(33), 33, shared)
		cache.release(blocks, 1)
		expect(cache.used).toBe(1)
		cache.release(shared, 1)
		expect(cache.used).toBe(0)
	})

	test('continues a chain through an equal block computed twice', () => {
		const cache = new KvCache(8)
		const first = fill(cache, window(32))
		const second = fill(cache, window(64))
		cache.release(first, 1)
		cache.release(second, 2)
		expect(cache.match(window(65), 65, new Int32Array(3)).blockCount).toBe(2)
	})

	test('gives every block back whatever the order of sharing', () => {
		const cache = new KvCache(16)
		const sequences: Int32Array[] = []
		for (let i = 0; i < 500; i++) {
			const tokens = window(40 + ((i * 37) % 90), (i % 5) * 1000)
			const blocks = new Int32Array(Math.ceil(tokens.length / 32))
			const match = cache.match(tokens, tokens.length, blocks)
			if (blocks.length - match.blockCount > cache.available) {
				cache.release(blocks, match.blockCount)
				const oldest = sequences.shift()
				if (oldest) cache.release(oldest, oldest.length)
				continue
			}
			let content = match.contentId
			for (let b = match.blockCount; b < blocks.length; b++) {
				blocks[b] = cache.allocate()
				if ((b + 1) * 32 <= tokens.length)
					content = cache.register(blocks[b]!, content, tokens, b * 32)
			}
			sequences.push(blocks)
		}
		for (const blocks of sequences) cache.release(blocks, blocks.length)
		expect(cache.used).toBe(0)
		expect(cache.available).toBe(16)
	})
})

test('prefixes under different salts share nothing', () => {
	const cache = new KvCache(8)
	const window = Int32Array.from({ length: 64 }, (_, i) => i)
	const block = cache.allocate()
	cache.register(block, rootContent(1), window, 0)
	const blocks = new Int32Array(2)
	const found = (salt: number) =>
		cache.match(window, window.length, blocks, rootContent(salt)).blockCount
	expect([found(0), found(1), found(2)]).toEqual([0, 1, 0])
})
