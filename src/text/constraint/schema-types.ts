/** Parts of a schema that hold together → the rule of the values of one type. */
import type { Steps } from '../../lib/steps.ts'
import type { Rule } from './grammar.ts'
import type { JsonGrammar, MapMember, ObjectMember } from './json-grammar.ts'
import type { CountBounds } from './lexeme.ts'
import { isDivisor, type NumberBounds } from './number-lexeme.ts'
import {
	countOf,
	type Given,
	invalid,
	isAnnotation,
	type JsonType,
	namedTypes,
	numberOf,
	type Part,
	recordOf,
	type SchemaObject,
	stringsOf,
	textOf,
	unsupported,
} from './schema-fields.ts'
import { areOnlyLengths, keyDfa, searchDfa, stringDfa, stringRulesOf } from './schema-strings.ts'
import { additionalSchema, isValid, itemSchemas, memberSchemas } from './schema-validity.ts'
import { NUMBER_FORMATS } from './string-formats.ts'

/** Members of an object without listed keys: each count is a rule. */
const MAP_MEMBER_COUNT_MAX = 1000

/** What types need of the compiler of the whole schema. */
export interface SchemaContext {
	readonly grammar: JsonGrammar
	compile(given: readonly Given[]): Rule
	partsOf(given: readonly Given[]): Part[] | null
	finiteValuesOf(given: readonly Given[]): Steps<string[] | null>
	countLiteral(text: string): void
	resolve(reference: unknown, path: string): unknown
}

export class TypeRules {
	readonly #context: SchemaContext

	constructor(context: SchemaContext) {
		this.#context = context
	}

	*ruleOf(type: JsonType, parts: readonly Part[]): Steps<Rule> {
		const { grammar } = this.#context
		switch (type) {
			case 'null':
				return yield* grammar.constants(['null'])
			case 'boolean':
				return yield* grammar.constants(['true', 'false'])
			case 'string': {
				const rules = stringRulesOf(parts)
				const { lengthMin: min, lengthMax: max } = rules
				if (areOnlyLengths(rules)) return grammar.string(min, max)
				const dfa = yield* stringDfa(rules, parts[0]!.path)
				return yield* grammar.pattern(dfa, { min, max })
			}
			case 'integer':
			case 'number':
				return grammar.number(type, numberBoundsOf(parts))
			case 'array':
				return yield* this.#array(parts)
			case 'object':
				return yield* this.#object(parts)
		}
	}

	*#array(parts: readonly Part[]): Steps<Rule> {
		const { grammar } = this.#context
		const bounds = countsOf(parts, 'minItems', 'maxItems')
		const schemas = parts.map(({ fields, path }) => ({ ...itemSchemas(fields, path), path }))
		const given = (index: number): Given[] =>
			schemas.map(({ first, rest, path }) =>
				index < first.length
					? { schema: first[index], path: `${path}/prefixItems/${index}` }
					: { schema: rest, path: `${path}/items` },
			)
		const firstCount = Math.max(...schemas.map(({ first }) => first.length))
		const unique = parts.find(({ fields, path }) => isUnique(fields, path))
		if (unique !== undefined && bounds.max > 1) {
			const values = firstCount === 0 ? yield* this.#context.finiteValuesOf(given(0)) : null
			if (values === null) {
				throw unsupported(unique.path, '"uniqueItems" of items that are not constants')
			}
			return grammar.distinctConstants(values, bounds)
		}
		const first = Array.from({ length: firstCount }, (_, index) =>
			this.#context.compile(given(index)),
		)
		return grammar.array(this.#context.compile(given(firstCount)), bounds, first)
	}

	*#object(parts: readonly Part[]): Steps<Rule> {
		const { grammar } = this.#context
		const bounds = countsOf(parts, 'minProperties', 'maxProperties')
		const required = new Set(
			parts.flatMap(({ fields, path }) => stringsOf(fields, 'required', path) ?? []),
		)
		const names = this.#propertyNames(parts)
		// Made in steps here, they are there at once where members are matched.
		const { path } = parts[0]!
		for (const pattern of patternsOf(parts)) yield* searchDfa(pattern, `${path}/patternProperties`)
		const listed = new Set([
			...parts.flatMap(({ fields, path }) => Object.keys(recordOf(fields, 'properties', path))),
			...required,
		])
		if (listed.size === 0) {
			const finite = names.length === 0 ? null : yield* this.#context.finiteValuesOf(names)
			for (const text of finite ?? []) {
				const name: unknown = JSON.parse(text)
				if (typeof name === 'string') listed.add(name)
			}
			if (finite === null) return yield* this.#map(parts, names, bounds)
		}
		const isName = (key: string): boolean =>
			names.every(({ schema, path }) => isValid(key, schema, path, this.#context.resolve))
		const members: ObjectMember[] = []
		for (const key of listed) {
			this.#context.countLiteral(key)
			const value = isName(key)
				? this.#context.compile(parts.flatMap((part) => memberSchemas(part, key)))
				: grammar.anyOf([])
			members.push({ key, value, isRequired: required.has(key) })
			yield
		}
		return grammar.object(members, bounds)
	}

	/** Schemas of keys, but those that say no more than that keys are strings. */
	#propertyNames(parts: readonly Part[]): Given[] {
		const given = parts
			.filter(({ fields }) => Object.hasOwn(fields, 'propertyNames'))
			.map(({ fields, path }) => ({
				schema: fields['propertyNames'],
				path: `${path}/propertyNames`,
			}))
		return given.filter(({ schema }) => schema !== true)
	}

	/** An object whose keys are not listed. A key may come twice, so that two of them cannot be asked for. */
	*#map(parts: readonly Part[], names: readonly Given[], bounds: CountBounds): Steps<Rule> {
		const { grammar } = this.#context
		const { path } = parts[0]!
		if (bounds.min > 1) throw unsupported(path, '"minProperties" above 1 without "properties"')
		const max = Math.min(bounds.max, MAP_MEMBER_COUNT_MAX)
		const nameParts = this.#context.partsOf(names)
		if (nameParts === null) return grammar.object([], bounds)
		for (const { fields, path } of nameParts) checkNames(fields, path)
		const nameRules = stringRulesOf(nameParts)
		const patterns = patternsOf(parts)
		const isClosed = parts.some((part) => additionalSchema(part).schema === false)
		if (isClosed && patterns.length === 0) return grammar.object([], bounds)
		const kinds: MapMember[] = []
		for (const own of [null, ...patterns]) {
			const none = patterns.filter((pattern) => pattern !== own)
			const some = own === null ? [] : [own]
			const given = parts.map((part): Given => {
				const schemas = recordOf(part.fields, 'patternProperties', part.path)
				return own !== null && Object.hasOwn(schemas, own)
					? { schema: schemas[own], path: `${part.path}/patternProperties/${own}` }
					: additionalSchema(part)
			})
			const isFree = patterns.length === 0 && areOnlyLengths(nameRules)
			const { lengthMin, lengthMax } = nameRules
			const key = isFree
				? grammar.string(lengthMin, lengthMax)
				: yield* grammar.pattern(yield* keyDfa({ some, none, names: nameRules }, path), {
						min: lengthMin,
						max: lengthMax,
					})
			kinds.push({ key, value: this.#context.compile(given) })
			yield
		}
		const isUnbounded = bounds.max === Number.POSITIVE_INFINITY
		return grammar.map(kinds, { min: bounds.min, max: isUnbounded ? bounds.max : max })
	}
}

/** Of the keys of an object. */
function patternsOf(parts: readonly Part[]): string[] {
	const patterns = parts.flatMap(({ fields, path }) =>
		Object.keys(recordOf(fields, 'patternProperties', path)),
	)
	return [...new Set(patterns)]
}

/** Names may be asked for by what a single pattern can say. */
function checkNames(fields: SchemaObject, path: string): void {
	const other = Object.keys(fields).find(
		(keyword) => !isAnnotation(keyword) && !NAME_KEYWORDS.has(keyword),
	)
	if (other !== undefined) throw unsupported(path, `"${other}" within "propertyNames"`)
	if (namedTypes(fields, path)?.includes('string') === false) {
		throw unsupported(path, '"propertyNames" that are no strings')
	}
}

const NAME_KEYWORDS: ReadonlySet<string> = new Set([
	'type',
	'pattern',
	'format',
	'minLength',
	'maxLength',
])

function countsOf(parts: readonly Part[], least: string, most: string): CountBounds {
	return {
		min: Math.max(...parts.map(({ fields, path }) => countOf(fields, least, path) ?? 0)),
		max: Math.min(
			...parts.map(({ fields, path }) => countOf(fields, most, path) ?? Number.POSITIVE_INFINITY),
		),
	}
}

function isUnique(fields: SchemaObject, path: string): boolean {
	const { uniqueItems = false } = fields
	if (typeof uniqueItems !== 'boolean')
		throw invalid(`${path}/uniqueItems`, 'a boolean', uniqueItems)
	return uniqueItems
}

function numberBoundsOf(parts: readonly Part[]): NumberBounds {
	const lows: number[] = []
	const highs: number[] = []
	const aboves: number[] = []
	const belows: number[] = []
	const divisors: number[] = []
	for (const { fields, path } of parts) {
		const read = (keyword: string, exclusive: string, to: number[], toExclusive: number[]) => {
			const bound = numberOf(fields, keyword, path)
			// In draft 4 a boolean makes the bound exclusive.
			const flag = bound === undefined ? undefined : fields[exclusive]
			if (bound !== undefined) (flag === true ? toExclusive : to).push(bound)
			const other = typeof flag === 'boolean' ? undefined : numberOf(fields, exclusive, path)
			if (other !== undefined) toExclusive.push(other)
		}
		read('minimum', 'exclusiveMinimum', lows, aboves)
		read('maximum', 'exclusiveMaximum', highs, belows)
		const divisor = numberOf(fields, 'multipleOf', path)
		if (divisor !== undefined) {
			if (divisor <= 0) throw invalid(`${path}/multipleOf`, 'a number above 0', divisor)
			if (!isDivisor(divisor)) throw unsupported(path, `"multipleOf": ${divisor}`)
			divisors.push(divisor)
		}
		const range = NUMBER_FORMATS.get(textOf(fields, 'format', path) ?? '')
		if (range !== undefined) {
			lows.push(range[0])
			highs.push(range[1])
		}
	}
	return {
		minimum: lows.length > 0 ? Math.max(...lows) : undefined,
		maximum: highs.length > 0 ? Math.min(...highs) : undefined,
		exclusiveMinimum: aboves.length > 0 ? Math.max(...aboves) : undefined,
		exclusiveMaximum: belows.length > 0 ? Math.min(...belows) : undefined,
		divisors,
	}
}
