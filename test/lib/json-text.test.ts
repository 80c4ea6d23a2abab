import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { jsonText } from '../../src/lib/json-text.ts'

test('a Map becomes an object whose keys keep their order, also those that look like integers', () => {
	const value = {
		top: [
			new Map([
				['b', 1],
				['10', 2],
				['2', 3],
			]),
			null,
		],
		more: new Map(),
	}
	expect(jsonText(value)).toBe('{"top":[{"b":1,"10":2,"2":3},null],"more":{}}')
})

test('everything else becomes what JSON.stringify makes of it', () => {
	fc.assert(
		fc.property(fc.jsonValue(), (value) => {
			expect(jsonText(value)).toBe(JSON.stringify(value))
		}),
		{ seed: 1, numRuns: 2000 },
	)
	const odd = { a: undefined, b: [undefined, Number.NaN, -0], c: '\ud800', __proto__: null }
	expect(jsonText(odd)).toBe(JSON.stringify(odd))
})
