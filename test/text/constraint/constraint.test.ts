import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { stateAfter } from '../../../src/engine/token-state.ts'
import { CallReader } from '../../../src/text/call-reader.ts'
import { type ConstraintSpec, compileConstraint } from '../../../src/text/constraint/constraint.ts'
import { ConstraintError } from '../../../src/text/constraint/constraint-error.ts'
import { callMark, ToolCallParser } from '../../../src/text/tool-call-parser.ts'
import type { Tokenizer } from '../../../src/tokenizer/tokenizer.ts'
import { turnsDuring } from '../../helpers/turns.ts'
import { loadTokenizer, loadTokenizerFixtures } from '../../tokenizer/fixture-tokenizers.ts'
import { anySchema } from './any-schema.ts'
import { isValid } from './validate.ts'
import { compileNow, idsOf, optionsOf, seededRandom, tokenizerOf, walk, walkSpec } from './walk.ts'

const END_OF_TEXT = '<|end_of_text|>'
const ascii = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index))
const longTokens = [
	'{"',
	'": "',
	'", "',
	'": ',
	'"},',
	'}}',
	'true',
	'null',
	'12',
	'345',
	'.5',
	'the ',
]
const full = tokenizerOf([...ascii, ...longTokens, 'é', '🙂', '\n'])
const withEnd = tokenizerOf([...ascii, ...longTokens, 'é', '🙂', '\n'], [END_OF_TEXT, '<|user|>'])
const austen = loadTokenizer('novels-austen')

const person = {
	type: 'object',
	properties: {
		name: { type: 'string', minLength: 1 },
		age: { type: 'integer', minimum: 0, maximum: 120 },
		e_mail: { type: ['string', 'null'], maxLength: 30 },
		tags: { type: 'array', items: { enum: ['a_b', 'ab', 'ä'] }, minItems: 1, maxItems: 3 },
		friend: { anyOf: [{ type: 'null' }, { $ref: '#' }] },
	},
	required: ['name', 'age', 'friend'],
	additionalProperties: false,
} as const

/** Texts of many random walks, each checked to be JSON that is valid. */
function validTexts(schema: unknown, tokenizer: Tokenizer, count = 30): string[] {
	return Array.from({ length: count }, (_, seed) => {
		const text = walk(schema, tokenizer, { randomTokens: 3 * seed, random: seededRandom(seed) })
		const value: unknown = JSON.parse(text)
		expect({ text, isValid: isValid(value, schema as never) }).toEqual({ text, isValid: true })
		return text
	})
}

/** Token texts that may come after these. */
function nextTexts(schema: unknown, tokenizer: Tokenizer, texts: readonly string[] = []): string[] {
	const session = compileNow({ kind: 'schema', schema }, tokenizer, optionsOf(tokenizer)).start()
	for (const text of texts) session.push(tokenizer.spec.vocab.indexOf(text))
	return idsOf(session.state.row.mask).map((id) => tokenizer.spec.vocab[id]!)
}

describe('every walk ends in JSON that is valid against the schema', () => {
	test.each<[string, unknown]>([
		['any object', { type: 'object' }],
		['any value', {}],
		['a person', person],
		['a map', { type: 'object', additionalProperties: { type: 'integer' } }],
		['a required key that is not declared', { required: ['x'], properties: { y: { const: 1 } } }],
		['several types', { type: ['integer', 'string', 'array'], maxLength: 3, maxItems: 2 }],
		['numbers', { type: 'array', items: { type: 'number' }, minItems: 3, maxItems: 4 }],
		['a fraction', { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 0.001 }],
		['negative numbers', { type: 'number', minimum: -2.5, maximum: -0.25 }],
		['a narrow integer', { type: 'integer', minimum: -1003, exclusiveMaximum: 10 }],
		['constants', { enum: [1, 12, 'x', null, true, { a: [1, 'é"\n'] }, 1e21, -0.5] }],
		[
			'a recursive tree',
			{
				$defs: {
					node: {
						type: 'object',
						properties: { children: { type: 'array', items: { $ref: '#/$defs/node' } } },
						required: ['children'],
					},
				},
				$ref: '#/$defs/node',
			},
		],
		[
			'a discriminated choice',
			{
				oneOf: [
					{
						type: 'object',
						properties: { kind: { const: 'cat' }, lives: { type: 'integer' } },
						required: ['kind', 'lives'],
					},
					{
						type: 'object',
						properties: { kind: { const: 'dog' }, barks: { type: 'boolean' } },
						required: ['kind'],
					},
				],
			},
		],
	])('%s', (_, schema) => {
		validTexts(schema, full)
		validTexts(schema, withEnd)
		validTexts(schema, austen)
	})

	test('for random schemas over random vocabularies', () => {
		let walks = 0
		fc.assert(
			fc.property(
				anySchema,
				fc.subarray(ascii, { minLength: 40 }),
				fc.boolean(),
				fc.nat(60),
				fc.nat(),
				(schema, characters, hasEnd, randomTokens, seed) => {
					const tokenizer = tokenizerOf([...characters, ...longTokens], hasEnd ? [END_OF_TEXT] : [])
					let text: string
					try {
						text = walk(schema, tokenizer, { randomTokens, random: seededRandom(seed) })
					} catch (error) {
						if (error instanceof ConstraintError) return
						throw error
					}
					walks++
					expect({ text, isValid: isValid(JSON.parse(text), schema) }).toEqual({
						text,
						isValid: true,
					})
				},
			),
			{ seed: 13, numRuns: 3000 },
		)
		expect(walks).toBeGreaterThan(1000)
	}, 60_000)

	const fixtures = loadTokenizerFixtures().filter(({ tokenizer }) => tokenizer.spec.type !== 'word')

	test.each(fixtures)('with the vocabulary of $name', ({ tokenizer }) => {
		const verdict = {
			properties: {
				who: { enum: ['God', 'man', 'Cm7'] },
				is_good: { type: 'boolean' },
				notes: { type: 'array', items: { enum: ['a', 'b', null] }, minItems: 1, maxItems: 2 },
			},
			required: ['who', 'notes'],
		}
		expect(new Set(validTexts(verdict, tokenizer)).size).toBeGreaterThan(1)
		const anyObject = () => validTexts({ type: 'object' }, tokenizer)
		if (tokenizer.encode('"').length === 1) anyObject()
		else expect(anyObject).toThrow(/vocabulary lacks "/)
	})
})

describe('characters that no token can write', () => {
	test('braces are written for the model', () => {
		const texts = validTexts(person, austen)
		expect(texts[0]).toStartWith('{"name":')
		expect(texts.some((text) => text.includes('"e_mail"'))).toBe(true)
	})

	test('a text of which the model writes nothing comes from flush', () => {
		const tokenizer = tokenizerOf(['a'])
		const session = compileNow(
			{ kind: 'schema', schema: { const: { b: 1 } } },
			tokenizer,
			optionsOf(tokenizer),
		).start()
		expect(session.isFinished).toBe(true)
		expect(session.flush()).toBe('{"b":1}')
	})

	test('a blank ends a number before a brace that must be written', () => {
		const schema = { properties: { n: { type: 'integer' } }, required: ['n'] }
		const tokenizer = tokenizerOf([...'"n:0123456789 '])
		const session = compileNow({ kind: 'schema', schema }, tokenizer, optionsOf(tokenizer)).start()
		const pieces = [...'"n":12 '].map((text) => session.push(tokenizer.spec.vocab.indexOf(text)))
		expect(pieces).toEqual(['{"', 'n', '"', ':', '1', '2', ' }'])
		expect(session.isFinished).toBe(true)
	})

	test('only constants that the model can choose are offered', () => {
		const texts = validTexts({ enum: ['_', 'apple', 'axe'] }, tokenizerOf([...'"aplex']))
		expect(new Set(texts)).toEqual(new Set(['"apple"', '"axe"']))
	})

	test('strings and numbers are not written for the model', () => {
		const noQuote = tokenizerOf([...'{}:abc0123456789'])
		const noNine = tokenizerOf([...'{}:"abc012345678'])
		const compile = (type: string, tokenizer: Tokenizer) => () =>
			compileNow({ kind: 'schema', schema: { type } }, tokenizer, optionsOf(tokenizer))
		expect(compile('string', noQuote)).toThrow(/vocabulary lacks "/)
		expect(compile('integer', noNine)).toThrow(/vocabulary lacks 9/)
		expect(compile('integer', noQuote)).not.toThrow()
	})

	test('a word tokenizer is refused', () => {
		const tokenizer = loadTokenizer('v1-word')
		expect(() =>
			compileNow({ kind: 'schema', schema: {} }, tokenizer, optionsOf(tokenizer)),
		).toThrow(ConstraintError)
	})
})

describe('masks', () => {
	test('allow what the schema allows and nothing else', () => {
		expect(nextTexts({ type: 'boolean' }, full)).toEqual(['f', 't', 'true'])
		expect(nextTexts({ type: 'boolean' }, full, ['t', 'r'])).toEqual(['u'])
		expect(nextTexts({ type: 'integer', minimum: 10, maximum: 12 }, full)).toEqual(['1', '12'])
		expect(nextTexts({ type: 'array', maxItems: 0 }, full, ['['])).toEqual([']'])
		expect(nextTexts({ type: 'string', maxLength: 2 }, full, ['"', 'é'])).not.toContain('the ')
		expect(nextTexts({ type: 'string', maxLength: 2 }, full, ['"', 'é', '🙂'])).toEqual(['"'])
	})

	test.each<[string, unknown]>([
		['an object', person],
		['a short string', { type: 'string', minLength: 2, maxLength: 5 }],
		[
			'a string or a constant',
			{ anyOf: [{ type: 'string', maxLength: 3 }, { enum: ['true', '"x'] }] },
		],
		['any value', {}],
	])('allow a token exactly where its characters can be read: %s', (_, schema) => {
		const tokenizer = tokenizerOf([...ascii, ...longTokens, 'ab"', '\\"a', 'abcdef', '\\n', '"}'])
		const random = seededRandom(2)
		const constraint = compileNow({ kind: 'schema', schema }, tokenizer, optionsOf(tokenizer))
		const sessionAfter = (ids: readonly number[]) => {
			const session = constraint.start()
			for (const id of ids) session.push(id)
			return session
		}
		for (const read: number[] = []; read.length < 25 && !sessionAfter(read).isFinished; ) {
			const allowed = idsOf(sessionAfter(read).state.row.mask)
			const readable = [...tokenizer.spec.vocab.keys()].filter((id) => {
				const session = sessionAfter(read)
				try {
					session.push(id)
					return true
				} catch {
					return false
				}
			})
			expect(allowed).toEqual(readable)
			read.push(allowed[Math.floor(random() * allowed.length)]!)
		}
	})

	test('never allow reserved tokens or control characters within a string', () => {
		const texts = nextTexts({ type: 'string' }, withEnd, ['"'])
		expect(texts).toContain('the ')
		expect(texts).not.toContain('<|user|>')
		expect(texts).not.toContain('\n')
	})

	test('allow the end token exactly where the text is complete', () => {
		expect(nextTexts({ type: 'integer' }, withEnd, ['1'])).toContain(END_OF_TEXT)
		expect(nextTexts({ type: 'integer' }, withEnd, ['-'])).not.toContain(END_OF_TEXT)
	})

	test('without an end token a blank ends a number', () => {
		expect(nextTexts({ type: 'integer' }, full, ['1'])).toContain(' ')
		expect(nextTexts({ type: 'integer' }, withEnd, ['1'])).not.toContain(' ')
	})

	test('have as many bits as the model has logits', () => {
		const session = compileNow({ kind: 'schema', schema: {} }, full, {
			vocabSize: 500,
			stopTokenIds: [499],
		}).start()
		expect(session.state.row.mask).toHaveLength(16)
	})

	test('white space cannot be repeated', () => {
		expect(nextTexts({ type: 'array' }, full, ['[', '1', ',', ' '])).not.toContain(' ')
		expect(nextTexts({}, full)).not.toContain(' ')
	})

	test('values of which the schema says nothing nest a few levels deep', () => {
		const open = (count: number) => nextTexts({}, full, Array(count).fill('['))
		expect(open(6)).toContain('[')
		expect(open(7)).not.toContain('[')
	})

	test('a token that the mask does not allow breaks the contract', () => {
		const session = compileNow(
			{ kind: 'schema', schema: { type: 'boolean' } },
			full,
			optionsOf(full),
		).start()
		expect(() => session.push(full.spec.vocab.indexOf('x'))).toThrow(/invariant/)
	})

	test('sessions of one constraint do not share their place', () => {
		const constraint = compileNow(
			{ kind: 'schema', schema: { type: 'boolean' } },
			full,
			optionsOf(full),
		)
		const [one, two] = [constraint.start(), constraint.start()]
		one.push(full.spec.vocab.indexOf('true'))
		expect([one.isFinished, two.isFinished]).toEqual([true, false])
	})
})

describe('a text that is no JSON', () => {
	const texts = (spec: ConstraintSpec, tokenizer: Tokenizer) =>
		Array.from({ length: 40 }, (_, seed) => {
			const session = compileNow(spec, tokenizer, optionsOf(tokenizer)).start()
			const random = seededRandom(seed)
			let text = ''
			while (!session.isFinished && !(session.isComplete && random() < 0.5)) {
				const ids = idsOf(session.state.row.mask)
				const { stopTokenIds } = optionsOf(tokenizer)
				const open = ids.filter((id) => !stopTokenIds.includes(id))
				text += session.push(open[Math.floor(random() * open.length)]!)
			}
			return text + session.flush()
		})

	test('is one of the choices, in any tokens', () => {
		const choices = ['true', 'truth', 'null\n', 'é🙂']
		expect(new Set(texts({ kind: 'choice', choices }, withEnd))).toEqual(new Set(choices))
	})

	test('matches a pattern as a whole', () => {
		for (const text of texts({ kind: 'regex', pattern: '(?:the |[a-c]{2})\\d+' }, withEnd)) {
			expect(text).toMatch(/^(?:the |[a-c]{2})\d+$/)
		}
	})

	test('is written for the model where only one character can come and no token writes it', () => {
		const session = compileNow({ kind: 'regex', pattern: '<[ab]>' }, tokenizerOf(['a', 'b']), {
			vocabSize: 2,
			stopTokenIds: [],
		}).start()
		expect([session.push(1), session.isFinished]).toEqual(['<b>', true])
	})

	test('is refused where the model can write none of it', () => {
		const tokenizer = tokenizerOf(['a'])
		const compile = (spec: ConstraintSpec) => () =>
			compileNow(spec, tokenizer, optionsOf(tokenizer))
		expect(compile({ kind: 'regex', pattern: '[0-9]+' })).toThrow('no text can match the pattern')
		expect(compile({ kind: 'choice', choices: ['x'.repeat(70_000)] })).toThrow('65536 characters')
		expect(compile({ kind: 'regex', pattern: 'a'.repeat(5000) })).toThrow('2048 characters')
	})
})

test('calls of functions are a JSON array, each with arguments of its own schema', () => {
	const functions = [
		{ name: 'add', parameters: { $ref: '#/$defs/n', $defs: { n: { required: ['n'] } } } },
		{ name: 'stop', parameters: { type: 'object', additionalProperties: false } },
	]
	const spec = { kind: 'calls', functions, countMax: 2, format: null } as const
	for (let seed = 0; seed < 30; seed++) {
		const text = walkSpec(spec, withEnd, { randomTokens: seed * 2, random: seededRandom(seed) })
		const calls: { name: string; arguments: object }[] = JSON.parse(text)
		expect(calls.length).toBeWithin(1, 3)
		for (const call of calls) {
			if (call.name === 'add') expect(call.arguments).toHaveProperty('n')
			else expect(call).toEqual({ name: 'stop', arguments: {} })
		}
	}
})

test.each(['tags', 'list', 'object'] as const)(
	'calls in the format of a template, %s, are read by who reads replies in it',
	(format) => {
		const functions = [
			{ name: 'add', parameters: { type: 'object', required: ['n'] } },
			{ name: 'stop', parameters: { type: 'object', additionalProperties: false } },
		]
		const countMax = format === 'object' ? 1 : 3
		const spec = { kind: 'calls', functions, countMax, format } as const
		for (let seed = 0; seed < 30; seed++) {
			const text = walkSpec(spec, withEnd, { randomTokens: seed * 2, random: seededRandom(seed) })
			const parser = new ToolCallParser(format, ['add', 'stop'])
			const [first, last] = [parser.push(callMark(format) + text), parser.finish()]
			expect(first.text + last.text).toBe('')
			const calls = [...first.calls, ...last.calls]
			expect(calls.length).toBeWithin(1, countMax + 1)
			const reader = new CallReader()
			const pieces = [...text].flatMap((character) => reader.push(character))
			expect(pieces.flatMap(({ name }) => name ?? [])).toEqual(calls.map(({ name }) => name!))
			for (const call of calls) JSON.parse(call.arguments)
		}
	},
)

test('a format is compiled once, however many ask for it, at once or later', async () => {
	const compile = (schema: object) =>
		compileConstraint({ kind: 'schema', schema }, full, optionsOf(full))
	const [first, second] = await Promise.all([
		compile({ const: 'cached' }),
		compile({ const: 'cached' }),
	])
	expect(second).toBe(first)
	expect(await compile({ const: 'cached' })).toBe(first)
	expect(compile({ const: 'cached' })).not.toBe(compile({ const: 'other' }))
})

test('the state after a token is the one that its row says', () => {
	const schemas = [person, { type: 'string' }, { type: 'object' }]
	for (const schema of schemas) {
		const session = compileNow({ kind: 'schema', schema }, full, optionsOf(full)).start()
		const random = seededRandom(3)
		for (let count = 0; count < 200 && !session.isFinished; count++) {
			const { mask, next } = session.state.row
			const ids = idsOf(mask)
			const id = ids[Math.floor(random() * ids.length)]!
			session.push(id)
			if (next !== null) expect(stateAfter(next, id)).toBe(session.state.id)
		}
	}
})

test('a large schema is compiled while others have their turns', async () => {
	const keys = Array.from({ length: 600 }, (_, i) => `key ${i}`)
	const patterns = keys.map((key, i) => [key, { type: 'string', pattern: `^[a-z]{1,9}${i}$` }])
	const schema = { type: 'object', properties: Object.fromEntries(patterns) }
	const compiling = compileConstraint({ kind: 'schema', schema }, full, optionsOf(full))
	expect(await turnsDuring(compiling)).toBeGreaterThan(3)
})
