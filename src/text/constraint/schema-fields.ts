import { isRecord, quoted } from '../../lib/json.ts'
import { ConstraintError } from './constraint-error.ts'
import { NUMBER_FORMATS, UNRESTRICTING_FORMATS } from './string-formats.ts'

export type JsonType = 'null' | 'boolean' | 'string' | 'integer' | 'number' | 'array' | 'object'
export type SchemaObject = Readonly<Record<string, unknown>>

/** A schema that has to hold, and its place as a JSON pointer. */
export interface Given {
	readonly schema: unknown
	readonly path: string
}

/** Keywords that have to hold, and their place. */
export interface Part {
	readonly fields: SchemaObject
	readonly path: string
}

/** Keywords that say nothing about which values are valid; so do those that begin with `x-`. */
const ANNOTATIONS: ReadonlySet<string> = new Set([
	'$schema',
	'$id',
	'$anchor',
	'$comment',
	'$vocabulary',
	'$defs',
	'id',
	'definitions',
	'title',
	'description',
	'default',
	'example',
	'examples',
	'deprecated',
	'readOnly',
	'writeOnly',
	'nullable',
	'discriminator',
	'externalDocs',
	'xml',
	'contentEncoding',
	'contentMediaType',
	'contentSchema',
	'json_schema_extra',
	'enumNames',
	'enumDescriptions',
	'markdownDescription',
	'errorMessage',
	'propertyOrdering',
])

/** Keywords that restrict values of one type only; without `type` they imply it. */
const KEYWORDS_BY_TYPE: Readonly<Record<string, JsonType>> = {
	properties: 'object',
	required: 'object',
	additionalProperties: 'object',
	patternProperties: 'object',
	unevaluatedProperties: 'object',
	propertyNames: 'object',
	minProperties: 'object',
	maxProperties: 'object',
	items: 'array',
	prefixItems: 'array',
	additionalItems: 'array',
	unevaluatedItems: 'array',
	minItems: 'array',
	maxItems: 'array',
	uniqueItems: 'array',
	minLength: 'string',
	maxLength: 'string',
	pattern: 'string',
	minimum: 'number',
	maximum: 'number',
	exclusiveMinimum: 'number',
	exclusiveMaximum: 'number',
	multipleOf: 'number',
}

/** Keywords that say which other schemas hold, and those that hold for every type. */
const GENERAL_KEYWORDS: ReadonlySet<string> = new Set([
	'type',
	'enum',
	'const',
	'format',
	'$ref',
	'allOf',
	'anyOf',
	'oneOf',
	'not',
	'if',
	'then',
	'else',
	'dependentRequired',
	'dependentSchemas',
	'dependencies',
])

const TYPES: ReadonlySet<unknown> = new Set([
	'null',
	'boolean',
	'string',
	'integer',
	'number',
	'array',
	'object',
])

export function isAnnotation(keyword: string): boolean {
	return ANNOTATIONS.has(keyword) || keyword.startsWith('x-')
}

/** A schema with none but supported keywords. */
export function schemaObject(schema: unknown, path: string): SchemaObject {
	if (!isRecord(schema)) throw invalid(path, 'a schema (an object, true or false)', schema)
	for (const key of Object.keys(schema)) {
		const isKnown =
			isAnnotation(key) || GENERAL_KEYWORDS.has(key) || Object.hasOwn(KEYWORDS_BY_TYPE, key)
		if (!isKnown) throw unsupported(path, `the keyword ${quoted(key)}`)
	}
	return schema
}

/** Types that a schema names; null = it does not say. */
export function namedTypes(fields: SchemaObject, path: string): readonly JsonType[] | null {
	if (!Object.hasOwn(fields, 'type')) return null
	const type = fields['type']
	const types = new Set(Array.isArray(type) ? type : [type])
	for (const name of types) {
		if (!TYPES.has(name)) throw invalid(`${path}/type`, 'JSON type names', type)
	}
	if (types.has('number')) types.delete('integer')
	return [...types] as JsonType[]
}

/** Types of which a schema's keywords speak. */
export function impliedTypes(fields: SchemaObject): JsonType[] {
	return Object.keys(fields).flatMap((key) => {
		if (key === 'format') return typesOfFormat(fields[key])
		return Object.hasOwn(KEYWORDS_BY_TYPE, key) ? [KEYWORDS_BY_TYPE[key]!] : []
	})
}

function typesOfFormat(format: unknown): JsonType[] {
	if (NUMBER_FORMATS.has(format as string)) return ['number']
	return UNRESTRICTING_FORMATS.has(format as string) ? [] : ['string']
}

/** The array of a keyword, not empty but for `required`; undefined where the keyword is absent. */
export function itemsOf(
	fields: SchemaObject,
	keyword: string,
	path: string,
): readonly unknown[] | undefined {
	if (!Object.hasOwn(fields, keyword)) return undefined
	const value = fields[keyword]
	if (!Array.isArray(value)) throw invalid(`${path}/${keyword}`, 'an array', value)
	if (value.length === 0 && keyword !== 'required') {
		throw invalid(`${path}/${keyword}`, 'an array that is not empty', value)
	}
	return value
}

/** An array of strings; undefined where the keyword is absent. */
export function stringsOf(
	fields: SchemaObject,
	keyword: string,
	path: string,
): readonly string[] | undefined {
	const items = itemsOf(fields, keyword, path)
	for (const item of items ?? []) {
		if (typeof item !== 'string') throw invalid(`${path}/${keyword}`, 'an array of strings', item)
	}
	return items as readonly string[] | undefined
}

/** The object of a keyword, empty where the keyword is absent. */
export function recordOf(fields: SchemaObject, keyword: string, path: string): SchemaObject {
	const value = Object.hasOwn(fields, keyword) ? fields[keyword] : {}
	if (!isRecord(value)) throw invalid(`${path}/${keyword}`, 'an object', value)
	return value
}

/** A text; undefined where the keyword is absent. */
export function textOf(fields: SchemaObject, keyword: string, path: string): string | undefined {
	if (!Object.hasOwn(fields, keyword)) return undefined
	const value = fields[keyword]
	if (typeof value !== 'string') throw invalid(`${path}/${keyword}`, 'a string', value)
	return value
}

/** A keyword that counts something, undefined where it is absent. */
export function countOf(fields: SchemaObject, keyword: string, path: string): number | undefined {
	const value = numberOf(fields, keyword, path)
	if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return value
	throw invalid(`${path}/${keyword}`, 'a whole number that is not negative', value)
}

/** A finite number, undefined where the keyword is absent. */
export function numberOf(fields: SchemaObject, keyword: string, path: string): number | undefined {
	if (!Object.hasOwn(fields, keyword)) return undefined
	const value = fields[keyword]
	if (typeof value === 'number' && Number.isFinite(value)) return value
	throw invalid(`${path}/${keyword}`, 'a number', value)
}

/** The error of a schema that is none. */
export function invalid(path: string, wanted: string, value: unknown): ConstraintError {
	const isScalar = typeof value !== 'object' || value === null
	const got = isScalar
		? (JSON.stringify(value) ?? 'nothing')
		: Array.isArray(value)
			? value.length === 0
				? '[]'
				: 'an array'
			: 'an object'
	return new ConstraintError(
		'invalid_value',
		`schema at ${path}: expected ${wanted}, got ${got.slice(0, 80)}`,
	)
}

/** The error of a schema that asks for what cannot be enforced. */
export function unsupported(path: string, what: string): ConstraintError {
	return new ConstraintError('unsupported_value', `schema at ${path}: ${what} is not supported`)
}

/** The error of a schema that is beyond a limit. */
export function tooLarge(limit: string): ConstraintError {
	return new ConstraintError('unsupported_value', `schema: at most ${limit} can be enforced`)
}
