import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { jsonPieces, jsonText } from '../../src/lib/json-text.ts'

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

test('pieces are the same text, each as long as asked but the last', () => {
	fc.assert(
		fc.property(fc.jsonValue(), fc.integer({ min: 1, max: 20 }), (value, lengthMin) => {
			const pieces = [...jsonPieces(value, lengthMin)]
			expect(pieces.join('')).toBe(JSON.stringify(value))
			for (const piece of pieces.slice(0, -1)) {
				expect(piece.length).toBeGreaterThanOrEqual(lengthMin)
			}
		}),
		{ seed: 1, numRuns: 2000 },
	)
	const odd = { a: undefined, b: [undefined, {}, new Map([['1', 1]])], c: [], d: [[], [null]] }
	expect([...jsonPieces(odd, 1)].join('')).toBe(jsonText(odd))
})

test('pieces are made when they are asked for', () => {
	const made: number[] = []
	const item = (i: number) => ({
		get value() {
			made.push(i)
			return i
		},
	})
	const pieces = jsonPieces([item(0), item(1), item(2)], 8)
	pieces.next()
	expect(made).toEqual([0])
})
