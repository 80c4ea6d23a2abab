import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { JsonListSplitter } from '../../src/upload/json-list-splitter.ts'
import { JsonSyntaxError } from '../../src/upload/json-object-splitter.ts'

/** Items of a text that arrives in pieces of so many bytes. */
function itemsOf(text: string, pieceBytes: number, itemBytesMax = 1000): unknown[] {
	const splitter = new JsonListSplitter(itemBytesMax)
	const bytes = Buffer.from(text)
	const items: unknown[] = []
	for (let from = 0; from < bytes.length; from += pieceBytes) {
		for (const run of splitter.push(bytes.subarray(from, from + pieceBytes))) {
			const values: unknown[] = JSON.parse(`[${run.bytes.toString()}]`)
			expect(values.length).toBe(run.count)
			items.push(...values)
		}
	}
	splitter.end()
	return items
}

test('items of any list are those that JSON.parse finds, however the text is cut', () => {
	fc.assert(
		fc.property(
			fc.array(fc.jsonValue({ maxDepth: 3 })),
			fc.integer({ min: 1, max: 40 }),
			fc.constantFrom(undefined, 1),
			(list, pieceBytes, indentation) => {
				const text = JSON.stringify(list, null, indentation)
				expect(itemsOf(text, pieceBytes, 1e6)).toEqual(JSON.parse(text))
			},
		),
		{ seed: 3, numRuns: 1000 },
	)
})

test('an item that is too long is null, and the next one is read', () => {
	expect(itemsOf(`[1,"${'a'.repeat(50)}",{"b":2}]`, 7, 20)).toEqual([1, null, { b: 2 }])
})

test.each(['', '[', '[1', '[1,', '[1,]', '[,1]', '[1 2]', '[1]]', '{"a":1}', '[1}'])(
	'%j is no list',
	(text) => {
		expect(() => itemsOf(text, 3)).toThrow(JsonSyntaxError)
	},
)
