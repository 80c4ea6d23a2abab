import { describe, expect, test } from 'bun:test'
import { ConstraintError } from '../../../src/text/constraint/constraint-error.ts'
import { areDisjoint } from '../../../src/text/constraint/schema-disjoint.ts'
import { compileNow, optionsOf, seededRandom, tokenizerOf, walk } from './walk.ts'

const tokenizer = tokenizerOf(
	Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)),
)
const compile = (schema: unknown) =>
	compileNow({ kind: 'schema', schema }, tokenizer, optionsOf(tokenizer))

function refusal(schema: unknown): ConstraintError {
	try {
		compile(schema)
	} catch (error) {
		if (error instanceof ConstraintError) return error
		throw error
	}
	throw new Error('the schema was accepted')
}

describe('refuses by name what it cannot enforce', () => {
	test.each<[string, unknown, string]>([
		['contains', { type: 'array', contains: {} }, 'the keyword "contains"'],
		[
			'a format that nobody knows',
			{ properties: { at: { type: 'string', format: 'phone' } } },
			'#/properties/at: the format "phone"',
		],
		[
			'different items without end',
			{ type: 'array', items: { type: 'integer' }, uniqueItems: true },
			'"uniqueItems" of items that are not constants',
		],
		['multiples of a decimal', { type: 'number', multipleOf: 0.1 }, '"multipleOf": 0.1'],
		['the opposite of items', { not: { items: { type: 'null' } } }, '"items" within "not"'],
		[
			'a pattern beyond the subset',
			{ type: 'string', pattern: '^(a)\\1$' },
			'#: the pattern has "\\1" at character 6',
		],
		[
			'two keys of a map',
			{ type: 'object', minProperties: 2 },
			'"minProperties" above 1 without "properties"',
		],
		[
			'what nothing else has evaluated',
			{ allOf: [{ properties: { a: {} } }], unevaluatedProperties: false },
			'"unevaluatedProperties" beside "allOf"',
		],
		['an unknown keyword', { typ: 'string' }, '"typ"'],
		[
			'oneOf that overlaps',
			{ oneOf: [{ type: 'integer' }, { type: 'number' }] },
			'"oneOf" of schemas that may hold at once',
		],
		['a remote reference', { $ref: 'http://x/y' }, '"$ref" to "http://x/y"'],
	])('%s', (_, schema, message) => {
		const error = refusal(schema)
		expect(error.code).toBe('unsupported_value')
		expect(error.message).toContain(message)
	})
})

describe('refuses what is no schema', () => {
	test.each<[string, unknown, string]>([
		['a number', 5, '#: expected a schema (an object, true or false), got 5'],
		['an array', [], 'got []'],
		['another type', { type: 'int' }, '#/type: expected JSON type names, got "int"'],
		[
			'a string count',
			{ type: 'string', minLength: '1' },
			'#/minLength: expected a number, got "1"',
		],
		['a negative count', { type: 'array', minItems: -1 }, '#/minItems: expected a whole number'],
		[
			'a boolean bound',
			{ type: 'integer', exclusiveMinimum: true },
			'#/exclusiveMinimum: expected a number',
		],
		['an infinite bound', JSON.parse('{"type":"number","maximum":1e999}'), 'expected a number'],
		['an empty enum', { enum: [] }, '#/enum: expected an array that is not empty, got []'],
		['anyOf that is no array', { anyOf: {} }, '#/anyOf: expected an array, got an object'],
		['properties that are no object', { properties: [] }, '#/properties: expected an object'],
		['required that is no array', { required: 'a' }, '#/required: expected an array'],
		['a required number', { required: [1] }, '#/required: expected an array of strings, got 1'],
		['a dangling reference', { $ref: '#/$defs/x' }, '#/$ref: expected a pointer into the schema'],
		['a reference through the prototype', { $ref: '#/constructor' }, 'expected a pointer'],
		['a reference that is no string', { $ref: 1 }, '#/$ref: expected a string'],
	])('%s', (_, schema, message) => {
		const error = refusal(schema)
		expect(error.code).toBe('invalid_value')
		expect(error.message).toContain(message)
	})
})

describe('refuses what nothing satisfies', () => {
	test.each<[string, unknown]>([
		['false', false],
		['empty bounds', { type: 'integer', minimum: 2, maximum: 1 }],
		['no integer between', { type: 'integer', minimum: 0.1, maximum: 0.9 }],
		['a number beyond 15 digits', { type: 'number', minimum: 1e20 }],
		['counts that exclude each other', { type: 'string', minLength: 3, maxLength: 2 }],
		['a constant of another type', { type: 'string', enum: [1, 2] }],
		['a constant that the enum lacks', { const: 1, enum: [2] }],
		['a required key that is forbidden', { required: ['a'], additionalProperties: false }],
		['a reference to itself', { $ref: '#' }],
		['an object within itself', { properties: { a: { $ref: '#' } }, required: ['a'] }],
	])('%s', (_, schema) => {
		expect(refusal(schema).message).toContain('no value can satisfy it')
	})
})

describe('is bounded', () => {
	const nested = (depth: number): unknown => (depth === 0 ? {} : { items: nested(depth - 1) })
	const chain = Object.fromEntries(
		Array.from({ length: 500 }, (_, index) => [`a${index}`, { $ref: `#/$defs/a${index + 1}` }]),
	)
	const deepConstant = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)

	test.each<[string, unknown, string]>([
		['nesting', nested(100), '64 nested sub-schemas'],
		['a chain of references', { $ref: '#/$defs/a0', $defs: { ...chain, a500: {} } }, '64 nested'],
		['sub-schemas', { anyOf: Array(2000).fill({ type: 'null' }) }, '2000 sub-schemas'],
		['oneOf', { oneOf: Array(50).fill({ const: 1 }) }, '31 schemas in one "oneOf"'],
		['true sub-schemas', { anyOf: Array(2000).fill(true) }, '2000 sub-schemas'],
		['values', { anyOf: Array(1_000_000).fill(true) }, '20000 values'],
		['texts', { description: 'a'.repeat(300_000) }, '262144 characters'],
		['constants', { enum: ['a'.repeat(70_000)] }, '65536 characters of keys and constants'],
		['keys', { properties: { ['a'.repeat(70_000)]: {} } }, '65536 characters'],
		['deep constants', { const: deepConstant }, 'at most'],
	])('in %s', (_, schema, limit) => {
		expect(refusal(schema).message).toContain(limit)
		expect(refusal(schema).message.length).toBeLessThanOrEqual(500)
	})

	test.each<[string, unknown]>([
		['a million booleans', { anyOf: Array(1_000_000).fill(true) }],
		['a hundred thousand alternatives', { oneOf: Array(100_000).fill({ const: 1 }) }],
		['a hundred thousand brackets', { const: deepConstant }],
	])('refused at once: %s', (_, schema) => {
		const times = Array.from({ length: 5 }, () => {
			const started = performance.now()
			refusal(schema)
			return performance.now() - started
		})
		// The quickest of them is the one that nothing else on the machine delayed.
		expect(Math.min(...times)).toBeLessThan(20)
	})

	test.each<[string, unknown]>([
		[
			'a thousand optional properties',
			{
				properties: Object.fromEntries(Array.from({ length: 990 }, (_, i) => [`p${i}`, {}])),
			},
		],
		['a thousand alternatives', { items: { anyOf: Array(990).fill({ type: 'object' }) } }],
		[
			'alternatives that begin alike, nested',
			{
				$defs: {
					a: { anyOf: Array.from({ length: 30 }, () => ({ items: { $ref: '#/$defs/a' } })) },
				},
				$ref: '#/$defs/a',
			},
		],
		[
			'huge counts',
			{ items: { items: {}, minItems: 0, maxItems: 1e9 }, minItems: 2, maxItems: 1e12 },
		],
		['a huge length', { type: 'string', maxLength: Number.MAX_SAFE_INTEGER }],
		['many constants', { enum: Array.from({ length: 9000 }, (_, i) => `x${i}`) }],
	])('in time: %s', (_, schema) => {
		const started = performance.now()
		JSON.parse(walk(schema, tokenizer, { randomTokens: 40, random: seededRandom(1) }))
		expect(performance.now() - started).toBeLessThan(3000)
	})
})

test('annotations are ignored', () => {
	const schema = {
		$schema: 'x',
		title: 'T',
		description: 'D',
		default: 1,
		examples: [1],
		type: 'null',
	}
	expect(walk(schema, tokenizer, { randomTokens: 0, random: Math.random })).toBe('null')
})

test('a reference may have escaped parts', () => {
	const schema = { $ref: '#/$defs/a~1b%20~0', $defs: { 'a/b ~': { const: 'x' } } }
	expect(walk(schema, tokenizer, { randomTokens: 0, random: Math.random })).toBe('"x"')
})

test.each<[unknown, unknown, boolean]>([
	[{ type: 'string' }, { type: 'null' }, true],
	[{ type: 'integer' }, { type: 'number' }, false],
	[{ type: ['string', 'null'] }, { type: 'null' }, false],
	[{ const: 1 }, { enum: [2, 3] }, true],
	[{ const: 1 }, { enum: [1, 3] }, false],
	[{ const: { a: 1, b: 2 } }, { const: { b: 2, a: 1 } }, false],
	[{ const: 1 }, { type: 'string' }, false],
	[{}, { type: 'string' }, false],
	[true, { type: 'string' }, false],
	[false, {}, true],
])('%j and %j exclude each other: %j', (a, b, areExclusive) => {
	expect(areDisjoint(a, b)).toBe(areExclusive)
	expect(areDisjoint(b, a)).toBe(areExclusive)
})
