/** The opposite of a schema, as schemas of which one has to hold. */
import {
	countOf,
	invalid,
	isAnnotation,
	itemsOf,
	namedTypes,
	numberOf,
	recordOf,
	type SchemaObject,
	schemaObject,
	stringsOf,
	textOf,
	unsupported,
} from './schema-fields.ts'
import { EXCLUDED } from './schema-strings.ts'

const ALL_TYPES = ['null', 'boolean', 'number', 'string', 'array', 'object'] as const

/** Throws ConstraintError for keywords whose opposite cannot be said. */
export function negate(schema: unknown, path: string): unknown[] {
	if (schema === true) return []
	if (schema === false) return [true]
	const fields = schemaObject(schema, path)
	return Object.keys(fields)
		.filter((keyword) => !isAnnotation(keyword))
		.flatMap((keyword) => negateKeyword(keyword, fields, path))
}

function negateKeyword(keyword: string, fields: SchemaObject, path: string): unknown[] {
	const value = fields[keyword]
	switch (keyword) {
		case '$ref':
			// Followed where it is compiled.
			return [{ not: { $ref: value } }]
		case 'not':
			return [value]
		case 'allOf':
			return itemsOf(fields, keyword, path)!.map((schema) => ({ not: schema }))
		case 'anyOf':
			return [{ allOf: itemsOf(fields, keyword, path)!.map((schema) => ({ not: schema })) }]
		case 'if': {
			const { then: consequence = true, else: alternative = true } = fields
			return [
				{ allOf: [value, { not: consequence }] },
				{ allOf: [{ not: value }, { not: alternative }] },
			]
		}
		case 'then':
		case 'else':
			return []
		case 'type':
			return negateType(fields, path)
		case 'const':
			return negateConstants([value], path)
		case 'enum':
			return negateConstants(itemsOf(fields, keyword, path)!, path)
		case 'pattern':
			return [{ type: 'string', [EXCLUDED]: { patterns: [textOf(fields, keyword, path)!] } }]
		case 'required':
			return stringsOf(fields, keyword, path)!.map((key) => {
				return { type: 'object', properties: Object.fromEntries([[key, false]]) }
			})
		case 'properties':
			return Object.entries(recordOf(fields, keyword, path)).map(([key, schema]) => ({
				type: 'object',
				required: [key],
				properties: Object.fromEntries([[key, { not: schema }]]),
			}))
		case 'minimum':
			return [{ type: 'number', exclusiveMaximum: numberOf(fields, keyword, path) }]
		case 'maximum':
			return [{ type: 'number', exclusiveMinimum: numberOf(fields, keyword, path) }]
		case 'exclusiveMinimum':
			return [{ type: 'number', maximum: numberOf(fields, keyword, path) }]
		case 'exclusiveMaximum':
			return [{ type: 'number', minimum: numberOf(fields, keyword, path) }]
		default: {
			const count = COUNTS[keyword]
			if (count !== undefined) {
				const limit = countOf(fields, keyword, path)! + (count.isMin ? -1 : 1)
				return limit < 0 ? [] : [{ type: count.type, [count.opposite]: limit }]
			}
			throw unsupported(path, `"${keyword}" within "not"`)
		}
	}
}

const COUNTS: Readonly<Record<string, { type: string; isMin: boolean; opposite: string }>> = {
	minLength: { type: 'string', isMin: true, opposite: 'maxLength' },
	maxLength: { type: 'string', isMin: false, opposite: 'minLength' },
	minItems: { type: 'array', isMin: true, opposite: 'maxItems' },
	maxItems: { type: 'array', isMin: false, opposite: 'minItems' },
	minProperties: { type: 'object', isMin: true, opposite: 'maxProperties' },
	maxProperties: { type: 'object', isMin: false, opposite: 'minProperties' },
}

function negateType(fields: SchemaObject, path: string): unknown[] {
	const types = namedTypes(fields, path)!
	const isInteger = types.includes('integer')
	const isAlone = Object.keys(fields).every((it) => it === 'type' || isAnnotation(it))
	if (isInteger && isAlone) throw unsupported(path, '"type": "integer" within "not"')
	// Fractions, which no keyword can ask for, are left out.
	const named = isInteger ? [...types, 'number'] : types
	const others = ALL_TYPES.filter((type) => !named.includes(type))
	return others.length === 0 ? [] : [{ type: others }]
}

function negateConstants(constants: readonly unknown[], path: string): unknown[] {
	const texts = constants.filter((constant) => typeof constant === 'string')
	const numbers = constants.filter((constant) => typeof constant === 'number')
	const booleans = constants.filter((constant) => typeof constant === 'boolean')
	for (const constant of constants) {
		if (constant === undefined) throw invalid(path, 'JSON values', constant)
		const isList = typeof constant === 'object' && constant !== null
		if (isList) throw unsupported(path, 'an array or object among the constants of a "not"')
	}
	const untouched = ALL_TYPES.filter((type) => {
		if (type === 'null') return !constants.includes(null)
		return !constants.some((constant) => typeof constant === type)
	})
	const alternatives: unknown[] = untouched.length === 0 ? [] : [{ type: untouched }]
	if (texts.length > 0) alternatives.push({ type: 'string', [EXCLUDED]: { texts } })
	if (booleans.length > 0) {
		const left = [true, false].filter((value) => !booleans.includes(value))
		if (left.length > 0) alternatives.push({ enum: left })
	}
	const cuts = [...new Set(numbers)].sort((a, b) => a - b)
	if (cuts.length > 0) {
		alternatives.push({ type: 'number', exclusiveMaximum: cuts[0] })
		for (const [index, cut] of cuts.entries()) {
			const next = index + 1 < cuts.length ? { exclusiveMaximum: cuts[index + 1] } : {}
			alternatives.push({ type: 'number', exclusiveMinimum: cut, ...next })
		}
	}
	return alternatives
}
