/**
 * The schemas that pydantic and zod make of common types: each is honoured or refused by name, and whatever a
 * model may write under one is valid for validators that have nothing to do with this code.
 */
import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import Ajv2020 from 'ajv/dist/2020'
import addFormats from 'ajv-formats'
import { ConstraintError } from '../../../src/text/constraint/constraint-error.ts'
import { pythonExecutable } from '../../clients/python-environment.ts'
import { KEYWORDS } from './schemas/keywords.ts'
import pydantic from './schemas/pydantic.json' with { type: 'json' }
import { ZOD_TYPES, zodSchema } from './schemas/zod.ts'
import { seededRandom, tokenizerOf, walk } from './walk.ts'

setDefaultTimeout(60_000)

const ascii = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index))
const tokenizer = tokenizerOf(
	[...ascii, '{"', '": "', '", "', 'the ', '12', 'é', '🙂'],
	['<|end_of_text|>'],
)

/** What cannot be honoured, and what the refusal says. */
const REFUSED: Readonly<Record<string, string>> = {
	'set[int]': '"uniqueItems" of items that are not constants',
	'frozenset[str]': '"uniqueItems" of items that are not constants',
	IPv4Network: 'the format "ipv4network"',
	Pattern: 'the format "regex"',
	emoji: 'has "\\p"',
	jwt: 'the format "jwt"',
	never: 'no value can satisfy it',
}

const zodSchemas = Object.entries(ZOD_TYPES).map(([name, type]) => [name, zodSchema(type)] as const)
const schemas: (readonly [string, unknown])[] = [...Object.entries(pydantic), ...zodSchemas]
const honoured = schemas.filter(([name]) => !(name in REFUSED))
const all = [...honoured, ...Object.entries(KEYWORDS)]

function texts(schema: unknown, count: number): string[] {
	return Array.from({ length: count }, (_, seed) =>
		walk(schema, tokenizer, { randomTokens: 4 * seed, random: seededRandom(seed) }),
	)
}

function ajvOf(schema: unknown) {
	const ajv = new Ajv2020({ strict: false, ownProperties: true, logger: false })
	addFormats(ajv)
	return ajv.compile(schema as object)
}

test('more than nine of ten schemas are honoured', () => {
	expect(schemas.length).toBeGreaterThanOrEqual(120)
	expect(honoured.length / schemas.length).toBeGreaterThan(0.9)
})

test.each(schemas.filter(([name]) => name in REFUSED))('%s is refused by name', (name, schema) => {
	expect(() => texts(schema, 1)).toThrow(ConstraintError)
	expect(() => texts(schema, 1)).toThrow(REFUSED[name])
})

describe('ajv finds every text valid', () => {
	test.each(all)('%s', (_, schema) => {
		const isValid = ajvOf(schema)
		for (const text of texts(schema, 20)) {
			const isText = isValid(JSON.parse(text))
			expect({ text, errors: isText ? null : isValid.errors }).toEqual({ text, errors: null })
		}
	})
})

describe('zod reads every text as its type', () => {
	const types = Object.entries(ZOD_TYPES).filter(([name]) => !(name in REFUSED))
	test.each(types)('%s', (_, type) => {
		for (const text of texts(zodSchema(type), 20)) {
			const { success, error } = type.safeParse(JSON.parse(text))
			expect({ text, error: success ? null : error?.message }).toEqual({ text, error: null })
		}
	})
})

const python = pythonExecutable('python-clients', 'python')

test.skipIf(python === null)(
	'jsonschema of Python finds every text valid',
	async () => {
		const cases = all.map(([name, schema]) => ({ name, schema, texts: texts(schema, 10) }))
		const script = new URL('./schemas/validate.py', import.meta.url).pathname
		const child = Bun.spawn([python!, script], { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' })
		child.stdin.write(JSON.stringify(cases))
		await child.stdin.end()
		const [output, errors] = await Promise.all([
			new Response(child.stdout).text(),
			new Response(child.stderr).text(),
		])
		expect({ output, errors }).toEqual({ output: `${all.length} schemas\n`, errors: '' })
	},
	60_000,
)
