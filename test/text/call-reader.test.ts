import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { CallReader } from '../../src/text/call-reader.ts'

interface Call {
	name: string
	arguments: string
}

/** The calls that the pieces of a text add up to. */
function read(pieces: readonly string[]): Call[] {
	const reader = new CallReader()
	const calls: Call[] = []
	for (const piece of pieces) {
		for (const delta of reader.push(piece)) {
			if (delta.name !== null) calls.push({ name: delta.name, arguments: '' })
			expect(delta.index).toBe(calls.length - 1)
			calls.at(-1)!.arguments += delta.arguments
		}
	}
	return calls
}

const two = '[{"name":"look","arguments":{"at":"sky"}},{"name":"wait","arguments":{}}]'

describe('a text of calls', () => {
	test('falls apart into names and arguments', () => {
		expect(read([two])).toEqual([
			{ name: 'look', arguments: '{"at":"sky"}' },
			{ name: 'wait', arguments: '{}' },
		])
	})

	test('may have a blank behind colons and commas', () => {
		expect(
			read(['[{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]']),
		).toEqual([
			{ name: 'f', arguments: '{"a": 1}' },
			{ name: 'g', arguments: '{}' },
		])
	})

	test('tells a name with the first piece of its call only', () => {
		const reader = new CallReader()
		expect(reader.push('[{"name":"f","argum')).toEqual([])
		expect(reader.push('ents":{"a')).toEqual([{ index: 0, name: 'f', arguments: '{"a' }])
		expect(reader.push('":1}},{"name":"g","arguments":')).toEqual([
			{ index: 0, name: null, arguments: '":1}' },
			{ index: 1, name: 'g', arguments: '' },
		])
		expect(reader.push('{}}]')).toEqual([{ index: 1, name: null, arguments: '{}' }])
	})

	test('that was cut has as much of its last call as there is', () => {
		expect(read([two.slice(0, 36)])).toEqual([{ name: 'look', arguments: '{"at":"s' }])
		expect(read([two.slice(0, 12)])).toEqual([])
	})
})

test('calls come out as they went in, wherever the pieces end', () => {
	const call = fc.record({
		name: fc.string({ unit: 'binary' }),
		arguments: fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }),
	})
	fc.assert(
		fc.property(fc.array(call, { minLength: 1 }), fc.integer({ min: 1, max: 9 }), (calls, size) => {
			const text = JSON.stringify(calls)
			const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g'))!
			expect(read(pieces)).toEqual(
				calls.map((it) => ({ name: it.name, arguments: JSON.stringify(it.arguments) })),
			)
		}),
	)
})
