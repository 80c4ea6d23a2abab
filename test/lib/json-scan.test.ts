import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { hasMoreThan, memberText, nestsDeeperThan } from '../../src/lib/json-scan.ts'
import { finish } from '../../src/lib/steps.ts'

function depthOf(value: unknown): number {
	if (typeof value !== 'object' || value === null) return 0
	return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

test('the depth of any JSON text is that of its value', () => {
	fc.assert(
		fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat(6), (value, depthMax) => {
			const isDeep = nestsDeeperThan(JSON.stringify(value), depthMax)
			expect(isDeep).toBe(depthOf(value) > depthMax)
		}),
		{ seed: 5, numRuns: 2000 },
	)
})

test.each([
	['brackets within strings', `["${'['.repeat(9)}"]`, 1, false],
	['an escaped quotation mark', '["\\"[[[["]', 1, false],
	['an escaped backslash before the end of a string', '["\\\\",[[]]]', 2, true],
	['many brackets beside each other', `[${'[],'.repeat(999)}[]]`, 2, false],
	['an open string', '[["[[', 2, false],
])('%s', (_, text, depthMax, isDeep) => {
	expect(nestsDeeperThan(text, depthMax)).toBe(isDeep)
})

test('a body of 8 MB takes milliseconds', () => {
	const texts = ['['.repeat(8e6), '[],'.repeat(2.6e6), `"${'\\"'.repeat(4e6)}`, 'x'.repeat(8e6)]
	for (const text of texts) {
		nestsDeeperThan(text, 256)
		const start = performance.now()
		nestsDeeperThan(text, 256)
		expect(performance.now() - start).toBeLessThan(200)
	}
})

test.each([
	['{"a":1,"b":{"c":2}}', { names: 3, commas: 1, backslashes: 0 }],
	['[1,2,3,[4,5]]', { names: 0, commas: 4, backslashes: 0 }],
	['{"a:,":"\\",:,"}', { names: 1, commas: 0, backslashes: 1 }],
	['["\\\\","\\u0041"]', { names: 0, commas: 1, backslashes: 3 }],
])('%s has so many names, commas and backslashes: %p', (text, counts) => {
	const hasMore = (most: typeof counts) => finish(hasMoreThan(text, most))
	expect(hasMore(counts)).toBe(false)
	for (const name of ['names', 'commas', 'backslashes'] as const) {
		if (counts[name] > 0) expect(hasMore({ ...counts, [name]: counts[name] - 1 })).toBe(true)
	}
})

test('a member is found as JSON.parse finds it, the last one of several, and only in the outermost object', () => {
	const name = fc.constantFrom('seed', 'se', 'other', 'a"b\\')
	const member = fc.tuple(name, fc.jsonValue({ maxDepth: 3 }))
	fc.assert(
		fc.property(fc.array(member), fc.boolean(), (members, hasSpace) => {
			const [comma, colon] = hasSpace ? [' ,\n', ' : '] : [',', ':']
			const text = `{${members.map(([key, value]) => JSON.stringify(key) + colon + JSON.stringify(value)).join(comma)}}`
			const value = members.findLast(([key]) => key === 'seed')?.[1]
			const found = finish(memberText(text, 'seed'))
			expect(found).toBe(value === undefined ? undefined : JSON.stringify(value))
		}),
		{ seed: 7, numRuns: 2000 },
	)
	expect(finish(memberText('{"s\\u0065ed" : 12}', 'seed'))).toBe('12')
})
