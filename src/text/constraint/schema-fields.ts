import { isRecord } from '../../lib/json.ts'
import { ConstraintError } from './constraint-error.ts'

export type JsonType = 'null' | 'boolean' | 'string' | 'integer' | 'number' | 'array' | 'object'
export type SchemaObject = Readonly<Record<string, unknown>>

/** Keywords that say nothing about which values are valid. */
export const ANNOTATIONS: ReadonlySet<string> = new Set([
	'$schema',
	'$id',
	'$comment',
	'$defs',
	'definitions',
	'title',
	'description',
	'default',
	'examples',
	'example',
	'deprecated',
	'readOnly',
	'writeOnly',
	'discriminator',
])

/** Keywords that restrict values of one type only; without `type` they imply it. */
const KEYWORDS_BY_TYPE: Readonly<Record<string, readonly JsonType[]>> = {
	properties: ['object'],
	required: ['object'],
	additionalProperties: ['object'],
	items: ['array'],
	minItems: ['array'],
	maxItems: ['array'],
	minLength: ['string'],
	maxLength: ['string'],
	minimum: ['number'],
	maximum: ['number'],
	exclusiveMinimum: ['number'],
	exclusiveMaximum: ['number'],
}

const COMBINING_KEYWORDS = new Set(['type', 'enum', 'const', '$ref', 'anyOf', 'oneOf', 'allOf'])
const TYPES = new Set(['null', 'boolean', 'string', 'integer', 'number', 'array', 'object'])

/** A schema with none but supported keywords. */
export function schemaObject(schema: unknown, path: string): SchemaObject {
	if (!isRecord(schema)) throw invalid(path, 'a schema (an object, true or false)', schema)
	for (const key of Object.keys(schema)) {
		const isKnown =
			ANNOTATIONS.has(key) || COMBINING_KEYWORDS.has(key) || Object.hasOwn(KEYWORDS_BY_TYPE, key)
		if (!isKnown) {
			const keyword = JSON.stringify(key.slice(0, 80))
			const message = `schema at ${path}: the keyword ${keyword} is not supported`
			throw new ConstraintError('unsupported_value', message)
		}
	}
	return schema
}

/** Types that a schema allows: as it says, else as its keywords imply; null = any. */
export function typesOf(fields: SchemaObject, path: string): readonly JsonType[] | null {
	if (!Object.hasOwn(fields, 'type')) {
		const implied = new Set(Object.keys(fields).flatMap((key) => KEYWORDS_BY_TYPE[key] ?? []))
		return implied.size === 0 ? null : [...implied]
	}
	const type = fields['type']
	const types = new Set(Array.isArray(type) ? type : [type])
	for (const name of types) {
		if (!TYPES.has(name)) throw invalid(`${path}/type`, 'JSON type names', type)
	}
	if (types.has('number')) types.delete('integer')
	return [...types] as JsonType[]
}

/** The array of a keyword, not empty but for `required`. */
export function itemsOf(fields: SchemaObject, keyword: string, path: string): readonly unknown[] {
	const value = fields[keyword]
	if (!Array.isArray(value) || (value.length === 0 && keyword !== 'required')) {
		throw invalid(`${path}/${keyword}`, 'an array', value)
	}
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
			? 'an array'
			: 'an object'
	return new ConstraintError(
		'invalid_value',
		`schema at ${path}: expected ${wanted}, got ${got.slice(0, 80)}`,
	)
}
