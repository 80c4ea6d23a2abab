/**
 * JSON Schema → grammar rules. Every text that a compiled schema lets through is valid against the
 * schema, but not every valid text is let through. README.md of this folder lists what is honoured.
 *
 * Schemas that hold together (`allOf`, `$ref` beside other keywords) are read as one list of parts. What
 * leaves a choice (`anyOf`, `if`, `not` …) becomes one list of parts per alternative, until only
 * keywords about values themselves are left; those are merged (`schema-types.ts`).
 */
import { isRecord, quoted } from '../../lib/json.ts'
import type { Steps } from '../../lib/steps.ts'
import { ConstraintError } from './constraint-error.ts'
import { Rule } from './grammar.ts'
import type { JsonGrammar } from './json-grammar.ts'
import { areDisjoint } from './schema-disjoint.ts'
import {
	type Given,
	impliedTypes,
	invalid,
	isAnnotation,
	itemsOf,
	type JsonType,
	namedTypes,
	type Part,
	type SchemaObject,
	schemaObject,
	tooLarge,
	unsupported,
} from './schema-fields.ts'
import { negate } from './schema-negation.ts'
import { EXCLUDED } from './schema-strings.ts'
import { TypeRules } from './schema-types.ts'
import { checkUnevaluated, dependencies, isValid } from './schema-validity.ts'

/** Sub-schemas in all, and lists of parts. */
const SCHEMA_COUNT_MAX = 2000
/** Sub-schemas within each other, references followed. */
const SCHEMA_DEPTH_MAX = 64
/** Alternatives of one `oneOf`: each is compared with each. */
const ONE_OF_COUNT_MAX = 31
/** UTF-16 units of all keys and constants. */
const LITERAL_LENGTH_MAX = 2 ** 16
/** Constants that are looked at in one step. */
const CONSTANTS_PER_STEP = 32

/** Rule of a schema whose size was checked; throws ConstraintError with the place and the keyword at fault. */
export function* compileSchema(schema: unknown, grammar: JsonGrammar): Steps<Rule> {
	const compiler = new SchemaCompiler(schema, grammar)
	const rule = compiler.compile([{ schema, path: '#' }])
	yield* compiler.work()
	return rule
}

/** Keywords that leave a choice, in the order in which they are taken apart. */
const CHOICES = [
	'anyOf',
	'oneOf',
	'if',
	'not',
	'dependentRequired',
	'dependentSchemas',
	'dependencies',
] as const

interface OpenRule {
	readonly parts: readonly Part[]
	/** Schemas that it is within, itself included. */
	readonly depth: number
	content: Rule | null
}

export class SchemaCompiler {
	readonly grammar: JsonGrammar
	readonly #root: unknown
	readonly #types: TypeRules
	readonly #rules = new Map<string, Rule>()
	readonly #ids = new Map<SchemaObject, number>()
	/** Schemas made of others, by these and how they were made: equal ones must be the same object. */
	readonly #derived = new Map<SchemaObject, Map<string, unknown>>()
	/** Rules that are known but empty as yet, last met first. */
	readonly #open: OpenRule[] = []
	#schemaCount = 0
	/** Of the rule that is being filled. */
	#depth = 0
	#literalLength = 0

	constructor(root: unknown, grammar: JsonGrammar) {
		this.#root = root
		this.grammar = grammar
		this.#types = new TypeRules(this)
	}

	/** Values for which all of the schemas hold. The rule is empty until `work` is done. */
	compile(given: readonly Given[]): Rule {
		this.#countSchemas(1)
		const parts = this.partsOf(given)
		if (parts === null) return this.grammar.anyOf([])
		const name = [...new Set(parts.map(({ fields }) => this.#idOf(fields)))].sort().join()
		let rule = this.#rules.get(name)
		if (rule === undefined) {
			const open: OpenRule = { parts, depth: this.#depth + 1, content: null }
			if (open.depth > SCHEMA_DEPTH_MAX) throw tooDeep()
			rule = new Rule(() => (open.content === null ? [] : [[open.content]]))
			this.#rules.set(name, rule)
			this.#open.push(open)
		}
		return rule
	}

	/** Fills all rules, which meets further ones. */
	*work(): Steps<void> {
		for (let open = this.#open.pop(); open !== undefined; open = this.#open.pop()) {
			this.#depth = open.depth
			open.content = yield* this.#compileParts(open.parts)
			yield
		}
	}

	/** The schemas and all that they refer to, as parts that hold together; null: nothing satisfies them. */
	partsOf(given: readonly Given[]): Part[] | null {
		const parts: Part[] = []
		const known = new Set<SchemaObject>()
		const open = new Set<SchemaObject>()
		const add = ({ schema, path }: Given): boolean => {
			if (schema === true || schema === false) return schema
			const fields = schemaObject(schema, path)
			if (open.has(fields)) return false
			if (known.has(fields)) return true
			this.#countSchemas(1)
			if (open.size === SCHEMA_DEPTH_MAX) throw tooDeep()
			checkUnevaluated(fields, path)
			open.add(fields)
			known.add(fields)
			const inner: Given[] = (itemsOf(fields, 'allOf', path) ?? []).map((schema, index) => ({
				schema,
				path: `${path}/allOf/${index}`,
			}))
			if (Object.hasOwn(fields, '$ref')) {
				inner.push({ schema: this.resolve(fields['$ref'], path), path: String(fields['$ref']) })
			}
			const isPossible = inner.every(add)
			open.delete(fields)
			const own = this.#without(fields, inner.length > 0 ? ['$ref', 'allOf'] : [])
			if (restricts(own)) parts.push({ fields: own, path })
			return isPossible
		}
		return given.every(add) ? parts : null
	}

	/** The schema that a `$ref` at `path` means. */
	readonly resolve = (reference: unknown, path: string): unknown => {
		if (typeof reference !== 'string') throw invalid(`${path}/$ref`, 'a string', reference)
		if (reference !== '#' && !reference.startsWith('#/')) {
			throw unsupported(path, `"$ref" to ${quoted(reference)}`)
		}
		this.#countSchemas(1)
		let target: unknown = this.#root
		for (const part of reference.split('/').slice(1)) {
			const key = decodePointerPart(part)
			const isThere = typeof target === 'object' && target !== null && Object.hasOwn(target, key)
			if (!isThere) throw invalid(`${path}/$ref`, 'a pointer into the schema', reference)
			target = (target as SchemaObject)[key]
			if (isRecord(target) && typeof target['$id'] === 'string') {
				throw unsupported(path, '"$ref" into a schema with an "$id" of its own')
			}
		}
		return target
	};

	/** Texts of the constants that the schemas leave over; null: they do not list any. */
	*#constantsOf(parts: readonly Part[]): Steps<string[] | null> {
		const lists = parts.flatMap(({ fields, path }) => {
			const listed = itemsOf(fields, 'enum', path)
			const constant = Object.hasOwn(fields, 'const') ? [[fields['const']]] : []
			return listed === undefined ? constant : [...constant, listed]
		})
		const [shortest] = lists.sort((a, b) => a.length - b.length)
		if (shortest === undefined) return null
		// Constants alone, which is what most lists are, need no look at each of them.
		const others = parts.filter(({ fields }) => fields['enum'] !== shortest || !isList(fields))
		const isLeft = (value: unknown): boolean =>
			others.every(({ fields, path }) => isValid(value, fields, path, this.resolve))
		const texts: string[] = []
		for (const [index, value] of shortest.entries()) {
			if (index % CONSTANTS_PER_STEP === 0) yield
			if (!isLeft(value)) continue
			texts.push(JSON.stringify(value))
			this.countLiteral(texts.at(-1)!)
		}
		return [...new Set(texts)]
	}

	/** Texts of all values, where the schemas allow only a few that are known; else null. */
	*finiteValuesOf(given: readonly Given[], depth = 0): Steps<string[] | null> {
		if (depth > SCHEMA_DEPTH_MAX) throw tooDeep()
		const parts = this.partsOf(given)
		if (parts === null) return []
		const constants = yield* this.#constantsOf(parts)
		if (constants !== null) return constants
		const hasChoice = parts.some(({ fields }) => CHOICES.some((it) => Object.hasOwn(fields, it)))
		if (!hasChoice) {
			const values = this.#typesOf(parts)?.map((type) => FINITE_TYPES[type] ?? null)
			return values === undefined || values.includes(null) ? null : (values.flat() as string[])
		}
		const values = new Set<string>()
		for (const list of this.#alternativesOf(parts)) {
			const ofList = yield* this.finiteValuesOf(list, depth + 1)
			if (ofList === null) return null
			for (const value of ofList) values.add(value)
		}
		return [...values]
	}

	countLiteral(text: string): void {
		this.#literalLength += text.length
		if (this.#literalLength > LITERAL_LENGTH_MAX) {
			throw tooLarge(`${LITERAL_LENGTH_MAX} characters of keys and constants`)
		}
	}

	*#compileParts(parts: readonly Part[]): Steps<Rule> {
		const constants = yield* this.#constantsOf(parts)
		if (constants !== null) return yield* this.grammar.constants(constants)
		const hasChoice = parts.some(({ fields }) => CHOICES.some((it) => Object.hasOwn(fields, it)))
		if (hasChoice) {
			return this.grammar.anyOf(this.#alternativesOf(parts).map((list) => this.compile(list)))
		}
		const types = this.#typesOf(parts)
		if (types === null) return this.grammar.any()
		const rules: Rule[] = []
		for (const type of types) rules.push(yield* this.#types.ruleOf(type, parts))
		return this.grammar.anyOf(rules)
	}

	/** Types that all parts allow: as they say, else as their keywords imply; null = any. */
	#typesOf(parts: readonly Part[]): readonly JsonType[] | null {
		const named = parts.flatMap(({ fields, path }) => {
			const types = namedTypes(fields, path)
			return types === null ? [] : [types]
		})
		if (named.length === 0) {
			const implied = new Set(parts.flatMap(({ fields }) => impliedTypes(fields)))
			return implied.size === 0 ? null : [...implied]
		}
		return [...new Set(named.flat())].filter((type) =>
			named.every(
				(types) => types.includes(type) || (type === 'integer' && types.includes('number')),
			),
		)
	}

	/** Lists of schemas of which one has to hold; for parts of which one leaves a choice. */
	#alternativesOf(parts: readonly Part[]): Given[][] {
		for (const part of parts) {
			const keyword = CHOICES.find((it) => Object.hasOwn(part.fields, it))
			if (keyword === undefined) continue
			const stripped = keyword === 'if' ? ['if', 'then', 'else'] : [keyword]
			const rest = parts.map(({ fields, path }) => ({
				schema: fields === part.fields ? this.#without(fields, stripped) : fields,
				path,
			}))
			const alternatives = this.#derive(part.fields, keyword, () => this.#choicesOf(keyword, part))
			return alternatives.map((schemas) => [
				...rest,
				...schemas.map((schema, index) => ({ schema, path: `${part.path}/${keyword}/${index}` })),
			])
		}
		return [parts.map(({ fields, path }) => ({ schema: fields, path }))]
	}

	#choicesOf(keyword: (typeof CHOICES)[number], { fields, path }: Part): unknown[][] {
		switch (keyword) {
			case 'anyOf':
				return itemsOf(fields, keyword, path)!.map((schema) => [schema])
			case 'oneOf':
				return this.#exclusive(itemsOf(fields, keyword, path)!, path)
			case 'if': {
				const { if: condition, then: consequence = true, else: alternative = true } = fields
				if (consequence === true && alternative === true) return [[]]
				return [
					[condition, consequence],
					...this.#negate(condition, path).map((it) => [it, alternative]),
				]
			}
			case 'not':
				return this.#negate(fields['not'], path).map((schema) => [schema])
			default:
				return this.#dependent(keyword, { fields, path })
		}
	}

	/** The first of the keys is absent, or it is there with what it needs; the others are left to do. */
	#dependent(keyword: string, part: Part): unknown[][] {
		const [first, ...others] = dependencies(part.fields, part.path).filter(
			(it) => it[0] === keyword,
		)
		if (first === undefined) return [[]]
		const [, key, needed] = first
		const rest = { [keyword]: Object.fromEntries(others.map(([, other, needs]) => [other, needs])) }
		const present = Array.isArray(needed) ? { required: needed } : needed
		return [
			[rest, { type: 'object', properties: Object.fromEntries([[key, false]]) }],
			[rest, { type: 'object', required: [key] }, present],
		]
	}

	/** Alternatives of which exactly one holds. */
	#exclusive(schemas: readonly unknown[], path: string): unknown[][] {
		if (schemas.length > ONE_OF_COUNT_MAX) {
			throw tooLarge(`${ONE_OF_COUNT_MAX} schemas in one "oneOf"`)
		}
		const resolved = schemas.map((schema) => this.#followReferences(schema))
		const areExclusive = resolved.every((a, index) =>
			resolved.slice(index + 1).every((b) => areDisjoint(a, b)),
		)
		if (areExclusive) return schemas.map((schema) => [schema])
		const opposites = schemas.map((schema) => {
			try {
				this.#negate(schema, path)
			} catch (error) {
				if (!(error instanceof ConstraintError)) throw error
				const what = '"oneOf" of schemas that may hold at once (use "anyOf")'
				throw unsupported(path, what)
			}
			return { not: schema }
		})
		return schemas.map((schema, index) => [
			schema,
			...opposites.filter((_, other) => other !== index),
		])
	}

	#negate(schema: unknown, path: string): unknown[] {
		const target = this.#followReferences(schema)
		if (typeof target !== 'object') return negate(target, path)
		const fields = schemaObject(target, path)
		return this.#derive(fields, 'negated', () => negate(fields, path))
	}

	/** What a schema that is nothing but a reference means in the end. */
	#followReferences(schema: unknown): unknown {
		let target = schema
		while (isRecord(target)) {
			const keywords = Object.keys(target).filter((keyword) => !isAnnotation(keyword))
			if (keywords.length !== 1 || keywords[0] !== '$ref') break
			target = this.resolve(target['$ref'], '#')
		}
		return target
	}

	#without(fields: SchemaObject, keywords: readonly string[]): SchemaObject {
		if (!keywords.some((keyword) => Object.hasOwn(fields, keyword))) return fields
		return this.#derive(fields, `without ${keywords}`, () => {
			const kept = Object.entries(fields).filter(([keyword]) => !keywords.includes(keyword))
			const excluded = (fields as { [EXCLUDED]?: unknown })[EXCLUDED]
			return Object.assign(
				Object.fromEntries(kept),
				excluded === undefined ? {} : { [EXCLUDED]: excluded },
			)
		})
	}

	#derive<T>(fields: SchemaObject, name: string, make: () => T): T {
		let made = this.#derived.get(fields)
		if (made === undefined) {
			made = new Map()
			this.#derived.set(fields, made)
		}
		if (!made.has(name)) made.set(name, make())
		return made.get(name) as T
	}

	#idOf(fields: SchemaObject): number {
		let id = this.#ids.get(fields)
		if (id === undefined) {
			id = this.#ids.size
			this.#ids.set(fields, id)
		}
		return id
	}

	#countSchemas(count: number): void {
		this.#schemaCount += count
		if (this.#schemaCount > 2 * SCHEMA_COUNT_MAX) throw tooLarge(`${SCHEMA_COUNT_MAX} sub-schemas`)
	}
}

/** All values of a type, as JSON. */
const FINITE_TYPES: Partial<Record<JsonType, readonly string[]>> = {
	null: ['null'],
	boolean: ['true', 'false'],
}

/** A schema that lists constants and says nothing else. */
function isList(fields: SchemaObject): boolean {
	return Object.keys(fields).every((keyword) => keyword === 'enum' || isAnnotation(keyword))
}

function restricts(fields: SchemaObject): boolean {
	const hasKeyword = Object.keys(fields).some((keyword) => !isAnnotation(keyword))
	return hasKeyword || Object.hasOwn(fields, EXCLUDED)
}

function decodePointerPart(part: string): string {
	let decoded = part
	try {
		decoded = decodeURIComponent(part)
	} catch {
		// A stray percent sign stands for itself.
	}
	return decoded.replaceAll('~1', '/').replaceAll('~0', '~')
}

function tooDeep(): ConstraintError {
	return tooLarge(`${SCHEMA_DEPTH_MAX} nested sub-schemas`)
}
