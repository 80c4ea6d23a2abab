import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { hasMoreThan, nestsDeeperThan } from '../../src/lib/json-depth.ts'

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
	['{"a":1,"b":{"c":2}}', 3, 1],
	['[1,2,3,[4,5]]', 0, 4],
	['{"a:,":"\\",:,"}', 1, 0],
])('%s has %i names and %i commas', (text, names, commas) => {
	expect(hasMoreThan(text, { names, commas })).toBe(false)
	if (names > 0) expect(hasMoreThan(text, { names: names - 1, commas })).toBe(true)
	if (commas > 0) expect(hasMoreThan(text, { names, commas: commas - 1 })).toBe(true)
})
