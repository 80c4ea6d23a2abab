/**
 * Whether a constant is valid against a schema: what `enum` and `const` leave over beside other keywords.
 * Reads every keyword that constraints support.
 */
import { isRecord } from '../../lib/json.ts'
import { finish } from '../../lib/steps.ts'
import { matches } from '../regex/dfa.ts'
import { areDivisible } from './number-lexeme.ts'
import {
	countOf,
	itemsOf,
	type JsonType,
	namedTypes,
	numberOf,
	type Part,
	recordOf,
	type SchemaObject,
	schemaObject,
	stringsOf,
	unsupported,
} from './schema-fields.ts'
import { areOnlyLengths, searchDfa, stringDfa, stringRulesOf } from './schema-strings.ts'

/** The schema that a `$ref` means. */
export type Resolve = (reference: unknown, path: string) => unknown

/** JSON text in which the order of keys makes no difference: equal for equal values. */
function canonicalText(value: unknown): string {
	if (Array.isArray(value)) return `[${value.map(canonicalText).join()}]`
	if (!isRecord(value)) return JSON.stringify(value)
	const members = Object.keys(value).sort()
	return `{${members.map((key) => `${JSON.stringify(key)}:${canonicalText(value[key])}`).join()}}`
}

const textsOfLists = new WeakMap<readonly unknown[], ReadonlySet<string>>()

function canonicalTexts(list: readonly unknown[]): ReadonlySet<string> {
	let texts = textsOfLists.get(list)
	if (texts === undefined) {
		texts = new Set(list.map(canonicalText))
		textsOfLists.set(list, texts)
	}
	return texts
}

function isOfTypes(value: unknown, types: readonly JsonType[]): boolean {
	if (value === null) return types.includes('null')
	if (Array.isArray(value)) return types.includes('array')
	if (typeof value === 'number' && Number.isInteger(value) && types.includes('integer')) return true
	return types.includes(typeof value as JsonType)
}

/** Throws ConstraintError where the schema is none or has keywords that are not supported. */
export function isValid(value: unknown, schema: unknown, path: string, resolve: Resolve): boolean {
	if (typeof schema === 'boolean') return schema
	const fields = schemaObject(schema, path)
	return holdsCombined(value, fields, path, resolve) && holdsTyped(value, { fields, path }, resolve)
}

function holdsCombined(
	value: unknown,
	fields: SchemaObject,
	path: string,
	resolve: Resolve,
): boolean {
	const is = (schema: unknown): boolean => isValid(value, schema, path, resolve)
	if (Object.hasOwn(fields, '$ref') && !is(resolve(fields['$ref'], path))) return false
	if (itemsOf(fields, 'allOf', path)?.every(is) === false) return false
	if (itemsOf(fields, 'anyOf', path)?.some(is) === false) return false
	const oneOf = itemsOf(fields, 'oneOf', path)
	if (oneOf !== undefined && oneOf.filter(is).length !== 1) return false
	if (Object.hasOwn(fields, 'not') && is(fields['not'])) return false
	if (Object.hasOwn(fields, 'if')) {
		const branch = is(fields['if']) ? 'then' : 'else'
		if (Object.hasOwn(fields, branch) && !is(fields[branch])) return false
	}
	if (!isRecord(value)) return true
	for (const [keyword, key, needed] of dependencies(fields, path)) {
		if (!Object.hasOwn(value, key)) continue
		const schema = Array.isArray(needed) ? { required: needed } : needed
		if (!isValid(value, schema, `${path}/${keyword}/${key}`, resolve)) return false
	}
	return true
}

/** What a key of an object brings with it: keys that must be there too, or a schema. */
export function dependencies(
	fields: SchemaObject,
	path: string,
): [keyword: string, key: string, needed: unknown][] {
	return ['dependentRequired', 'dependentSchemas', 'dependencies'].flatMap((keyword) =>
		Object.entries(recordOf(fields, keyword, path)).map(
			([key, needed]): [string, string, unknown] => [keyword, key, needed],
		),
	)
}

function holdsTyped(value: unknown, part: Part, resolve: Resolve): boolean {
	const { fields, path } = part
	const types = namedTypes(fields, path)
	if (types !== null && !isOfTypes(value, types)) return false
	const listed = itemsOf(fields, 'enum', path)
	if (listed !== undefined && !canonicalTexts(listed).has(canonicalText(value))) return false
	const isConstant = Object.hasOwn(fields, 'const')
	if (isConstant && canonicalText(fields['const']) !== canonicalText(value)) return false
	if (typeof value === 'string') return holdsString(value, part)
	if (typeof value === 'number') return holdsNumber(value, part)
	if (Array.isArray(value)) return holdsArray(value, part, resolve)
	return isRecord(value) ? holdsObject(value, part, resolve) : true
}

function holdsString(value: string, part: Part): boolean {
	const rules = stringRulesOf([part])
	const length = Array.from(value).length
	if (length < rules.lengthMin || length > rules.lengthMax) return false
	return areOnlyLengths(rules) || matches(finish(stringDfa(rules, part.path)), value)
}

function holdsNumber(value: number, { fields, path }: Part): boolean {
	const multipleOf = numberOf(fields, 'multipleOf', path)
	return (
		value >= (numberOf(fields, 'minimum', path) ?? value) &&
		value <= (numberOf(fields, 'maximum', path) ?? value) &&
		value > (numberOf(fields, 'exclusiveMinimum', path) ?? Number.NEGATIVE_INFINITY) &&
		value < (numberOf(fields, 'exclusiveMaximum', path) ?? Number.POSITIVE_INFINITY) &&
		(multipleOf === undefined || areDivisible(value, multipleOf))
	)
}

function holdsArray(value: readonly unknown[], { fields, path }: Part, resolve: Resolve): boolean {
	const { first, rest } = itemSchemas(fields, path)
	const hasCount =
		value.length >= (countOf(fields, 'minItems', path) ?? 0) &&
		value.length <= (countOf(fields, 'maxItems', path) ?? value.length)
	if (!hasCount) return false
	if (fields['uniqueItems'] === true && new Set(value.map(canonicalText)).size < value.length) {
		return false
	}
	return value.every((item, index) => isValid(item, first[index] ?? rest, `${path}/items`, resolve))
}

/** Schemas of the first items and of those after them, in the spellings of all drafts. */
export function itemSchemas(
	fields: SchemaObject,
	path: string,
): { first: readonly unknown[]; rest: unknown } {
	const { items = true, unevaluatedItems = true } = fields
	const { additionalItems = unevaluatedItems } = fields
	if (Array.isArray(items)) return { first: items, rest: additionalItems }
	const first = itemsOf(fields, 'prefixItems', path) ?? []
	return { first, rest: Object.hasOwn(fields, 'items') ? items : unevaluatedItems }
}

function holdsObject(value: SchemaObject, part: Part, resolve: Resolve): boolean {
	const { fields, path } = part
	const keys = Object.keys(value)
	const { propertyNames = true } = fields
	return (
		keys.length >= (countOf(fields, 'minProperties', path) ?? 0) &&
		keys.length <= (countOf(fields, 'maxProperties', path) ?? keys.length) &&
		(stringsOf(fields, 'required', path) ?? []).every((key) => Object.hasOwn(value, key)) &&
		keys.every((key) => isValid(key, propertyNames, `${path}/propertyNames`, resolve)) &&
		keys.every((key) =>
			memberSchemas(part, key).every(({ schema, path }) =>
				isValid(value[key], schema, path, resolve),
			),
		)
	)
}

/** What a schema asks of the value of a key. */
export function memberSchemas(
	{ fields, path }: Part,
	key: string,
): { schema: unknown; path: string }[] {
	const properties = recordOf(fields, 'properties', path)
	const patterns = recordOf(fields, 'patternProperties', path)
	const schemas = Object.hasOwn(properties, key)
		? [{ schema: properties[key], path: `${path}/properties/${key}` }]
		: []
	for (const [pattern, schema] of Object.entries(patterns)) {
		const place = `${path}/patternProperties/${pattern}`
		if (matches(finish(searchDfa(pattern, place)), key)) schemas.push({ schema, path: place })
	}
	return schemas.length > 0 ? schemas : [additionalSchema({ fields, path })]
}

/** What a schema asks of the values of keys that it does not name. */
export function additionalSchema({ fields, path }: Part): { schema: unknown; path: string } {
	const { additionalProperties = true, unevaluatedProperties = true } = fields
	const isSaid = Object.hasOwn(fields, 'additionalProperties')
	const keyword = isSaid ? 'additionalProperties' : 'unevaluatedProperties'
	return {
		schema: isSaid ? additionalProperties : unevaluatedProperties,
		path: `${path}/${keyword}`,
	}
}

/**
 * `unevaluated…` speaks of what no other keyword has looked at, which is the same as `additional…`
 * only where no other schema takes part.
 */
export function checkUnevaluated(fields: SchemaObject, path: string): void {
	const unevaluated = ['unevaluatedProperties', 'unevaluatedItems'].find(
		(keyword) => Object.hasOwn(fields, keyword) && fields[keyword] !== true,
	)
	if (unevaluated === undefined) return
	const other = [
		'$ref',
		'allOf',
		'anyOf',
		'oneOf',
		'not',
		'if',
		'dependentSchemas',
		'dependencies',
	].find((keyword) => Object.hasOwn(fields, keyword))
	if (other !== undefined) throw unsupported(path, `"${unevaluated}" beside "${other}"`)
}
