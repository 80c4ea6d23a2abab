import { expect, test } from 'bun:test'
import { ConstraintCache } from '../../../src/text/constraint/constraint-cache.ts'

const owner = {}

/** A cache of what is as large as it is called long, and how often something was made. */
function countingCache() {
	const cache = new ConstraintCache<object, { bytes: number }>()
	let made = 0
	const get = (name: string, bytes = 0) =>
		cache.get(owner, name, async () => {
			made++
			return { bytes }
		})
	return { get, made: () => made }
}

test('what was asked for before is not made again', async () => {
	const { get, made } = countingCache()
	expect(await get('a')).toBe(await get('a'))
	expect(made()).toBe(1)
})

test('what is asked for twice at once is made once', async () => {
	const { get, made } = countingCache()
	await Promise.all([get('a'), get('a')])
	expect(made()).toBe(1)
})

test('sixty-four are kept, those that were used last', async () => {
	const { get, made } = countingCache()
	for (let i = 0; i < 64; i++) await get(`${i}`)
	await get('0')
	await get('64')
	expect(made()).toBe(65)
	await get('0')
	expect(made()).toBe(65)
	await get('1')
	expect(made()).toBe(66)
})

test('long specifications count as what is made of them, so few of them are kept', async () => {
	const { get, made } = countingCache()
	const long = (name: string) => name.repeat(100_000)
	await get(long('a'))
	await get(long('b'))
	expect(made()).toBe(2)
	await get(long('b'))
	expect(made()).toBe(2)
	await get(long('a'))
	expect(made()).toBe(3)
})

test('so does what they gather in use', async () => {
	const { get, made } = countingCache()
	await get('a', 12 * 2 ** 20)
	await get('b', 12 * 2 ** 20)
	await get('a', 12 * 2 ** 20)
	expect(made()).toBe(3)
})
