/**
 * JSON Schema → grammar rules. The subset that `response_format` may use; every text that a compiled
 * schema lets through is valid against the schema, but not every valid text is let through.
 *
 * - type (one or several), enum, const, anyOf, oneOf of alternatives that visibly exclude each other,
 *   allOf of a single schema, true, false, $ref to `#`, `#/$defs/…`, `#/definitions/…`, also recursive
 * - object: properties, required, additionalProperties. Keys come in the order of `properties`; with
 *   properties none are added to them, without them any key may come, with values of
 *   additionalProperties
 * - array: items, minItems, maxItems. string: minLength, maxLength. integer, number: minimum,
 *   maximum, exclusiveMinimum, exclusiveMaximum; at most 15 digits, 6 of them after the point
 * - where a schema says nothing any value may come, nested at most 8 deep
 * - annotations are ignored: title, description, default, examples and the like
 *
 * Any other keyword is refused by name, because ignoring it would break the promise.
 */
import { isRecord } from '../../lib/json.ts'
import { ConstraintError } from './constraint-error.ts'
import { Rule } from './grammar.ts'
import type { JsonGrammar, ObjectMember } from './json-grammar.ts'
import { areDisjoint } from './schema-disjoint.ts'
import {
	ANNOTATIONS,
	countOf,
	invalid,
	itemsOf,
	type JsonType,
	numberOf,
	type SchemaObject,
	schemaObject,
	typesOf,
} from './schema-fields.ts'
import { checkSchemaSize } from './schema-size.ts'

/** Sub-schemas in all, references not followed. */
const SCHEMA_COUNT_MAX = 2000
/** Sub-schemas within each other, references followed. */
const SCHEMA_DEPTH_MAX = 64
/** Alternatives of one `oneOf`: each is compared with each. */
const ONE_OF_COUNT_MAX = 31
/** UTF-16 units of all keys and constants. */
const LITERAL_LENGTH_MAX = 2 ** 16

/** Rule of a schema; throws ConstraintError with the place and the keyword at fault. */
export function compileSchema(schema: unknown, grammar: JsonGrammar): Rule {
	checkSchemaSize(schema)
	return new SchemaCompiler(schema, grammar).compile(schema, '#')
}

class SchemaCompiler {
	readonly #root: unknown
	readonly #grammar: JsonGrammar
	readonly #references = new Map<string, Rule>()
	#schemaCount = 0
	#depth = 0
	#literalLength = 0

	constructor(root: unknown, grammar: JsonGrammar) {
		this.#root = root
		this.#grammar = grammar
	}

	/** `path` is the schema's place as a JSON pointer. */
	compile(schema: unknown, path: string): Rule {
		this.#countSchemas(1)
		if (schema === true) return this.#grammar.any()
		if (schema === false) return this.#grammar.anyOf([])
		const fields = schemaObject(schema, path)
		if (++this.#depth > SCHEMA_DEPTH_MAX) throw tooLarge(`${SCHEMA_DEPTH_MAX} nested sub-schemas`)
		const rule = this.#compileObject(fields, path)
		this.#depth--
		return rule
	}

	#compileObject(fields: SchemaObject, path: string): Rule {
		for (const combinator of ['$ref', 'anyOf', 'oneOf', 'allOf']) {
			if (Object.hasOwn(fields, combinator)) return this.#combine(combinator, fields, path)
		}
		if (Object.hasOwn(fields, 'const') || Object.hasOwn(fields, 'enum')) {
			return this.#constants(fields, path)
		}
		const types = typesOf(fields, path)
		if (types === null) return this.#grammar.any()
		return this.#grammar.anyOf(types.map((type) => this.#typed(type, fields, path)))
	}

	#combine(keyword: string, fields: SchemaObject, path: string): Rule {
		const other = Object.keys(fields).find((key) => key !== keyword && !ANNOTATIONS.has(key))
		if (other !== undefined) {
			throw unsupported(path, `"${other}" beside "${keyword}"`)
		}
		if (keyword === '$ref') return this.#reference(fields['$ref'], path)
		const alternatives = itemsOf(fields, keyword, path)
		if (keyword === 'allOf' && alternatives.length > 1) {
			throw unsupported(path, '"allOf" of more than one schema')
		}
		if (keyword === 'oneOf' && !this.#areDisjoint(alternatives)) {
			throw unsupported(path, '"oneOf" of schemas that may hold at once (use "anyOf")')
		}
		return this.#grammar.anyOf(
			alternatives.map((alternative, index) =>
				this.compile(alternative, `${path}/${keyword}/${index}`),
			),
		)
	}

	#countSchemas(count: number): void {
		this.#schemaCount += count
		if (this.#schemaCount > SCHEMA_COUNT_MAX) throw tooLarge(`${SCHEMA_COUNT_MAX} sub-schemas`)
	}

	#areDisjoint(schemas: readonly unknown[]): boolean {
		if (schemas.length > ONE_OF_COUNT_MAX)
			throw tooLarge(`${ONE_OF_COUNT_MAX} schemas in one "oneOf"`)
		const resolved = schemas.map((schema) => this.#followReferences(schema))
		return resolved.every((a, index) => resolved.slice(index + 1).every((b) => areDisjoint(a, b)))
	}

	#followReferences(schema: unknown): unknown {
		let target = schema
		for (let hops = 0; hops < SCHEMA_DEPTH_MAX && isRecord(target); hops++) {
			const reference = target['$ref']
			if (typeof reference !== 'string') break
			target = this.#resolve(reference, '#')
		}
		return target
	}

	#reference(reference: unknown, path: string): Rule {
		if (typeof reference !== 'string') throw invalid(`${path}/$ref`, 'a string', reference)
		let rule = this.#references.get(reference)
		if (rule === undefined) {
			const target = this.#resolve(reference, path)
			let compiled: Rule | undefined
			// Registered first: a schema may refer to itself.
			rule = new Rule(() => (compiled === undefined ? [] : [[compiled]]))
			this.#references.set(reference, rule)
			compiled = this.compile(target, reference)
		}
		return rule
	}

	#resolve(reference: string, path: string): unknown {
		if (reference !== '#' && !reference.startsWith('#/')) {
			throw unsupported(path, `"$ref" to ${JSON.stringify(reference.slice(0, 80))}`)
		}
		let target: unknown = this.#root
		for (const part of reference.split('/').slice(1)) {
			const key = decodePointerPart(part)
			if (!isRecord(target) || !Object.hasOwn(target, key)) {
				throw invalid(`${path}/$ref`, 'a pointer into the schema', reference)
			}
			target = target[key]
		}
		return target
	}

	#constants(fields: SchemaObject, path: string): Rule {
		const other = Object.keys(fields).find(
			(key) => key !== 'const' && key !== 'enum' && key !== 'type' && !ANNOTATIONS.has(key),
		)
		if (other !== undefined) throw unsupported(path, `"${other}" beside "enum" or "const"`)
		const types = Object.hasOwn(fields, 'type') ? typesOf(fields, path) : null
		const listed = Object.hasOwn(fields, 'enum') ? itemsOf(fields, 'enum', path) : null
		const constant = Object.hasOwn(fields, 'const') ? this.#text(fields['const'], path) : null
		const texts = listed?.map((value) => this.#text(value, path)) ?? [constant!]
		return this.#grammar.constants(
			texts.filter(
				(text) => (constant === null || text === constant) && isOfTypes(JSON.parse(text), types),
			),
		)
	}

	#typed(type: JsonType, fields: SchemaObject, path: string): Rule {
		switch (type) {
			case 'null':
				return this.#grammar.constants(['null'])
			case 'boolean':
				return this.#grammar.constants(['true', 'false'])
			case 'string':
				return this.#grammar.string(
					countOf(fields, 'minLength', path) ?? 0,
					countOf(fields, 'maxLength', path) ?? Number.POSITIVE_INFINITY,
				)
			case 'integer':
			case 'number':
				return this.#grammar.number(type, {
					minimum: numberOf(fields, 'minimum', path),
					maximum: numberOf(fields, 'maximum', path),
					exclusiveMinimum: numberOf(fields, 'exclusiveMinimum', path),
					exclusiveMaximum: numberOf(fields, 'exclusiveMaximum', path),
				})
			case 'array':
				return this.#grammar.array(
					this.compile(fields['items'] ?? true, `${path}/items`),
					countOf(fields, 'minItems', path) ?? 0,
					countOf(fields, 'maxItems', path),
				)
			case 'object':
				return this.#object(fields, path)
		}
	}

	#object(fields: SchemaObject, path: string): Rule {
		const properties = fields['properties'] ?? {}
		if (!isRecord(properties)) throw invalid(`${path}/properties`, 'an object', properties)
		const required = new Set(
			Object.hasOwn(fields, 'required') ? itemsOf(fields, 'required', path) : [],
		)
		for (const key of required) {
			if (typeof key !== 'string') throw invalid(`${path}/required`, 'an array of strings', key)
		}
		const additional = fields['additionalProperties'] ?? true
		const keys = new Set([...Object.keys(properties), ...(required as Set<string>)])
		if (keys.size === 0) {
			if (additional === false) return this.#grammar.object([])
			return this.#grammar.map(this.compile(additional, `${path}/additionalProperties`))
		}
		const members = [...keys].map((key): ObjectMember => {
			this.#countLiteral(key)
			const isDeclared = Object.hasOwn(properties, key)
			const value = isDeclared
				? this.compile(properties[key], `${path}/properties/${key}`)
				: this.compile(additional, `${path}/additionalProperties`)
			return { key, value, isRequired: required.has(key) }
		})
		return this.#grammar.object(members)
	}

	/** Canonical JSON text of a constant. */
	#text(value: unknown, path: string): string {
		let text: string | undefined
		try {
			text = JSON.stringify(value)
		} catch {
			throw tooLarge('a constant of this depth')
		}
		if (text === undefined) throw invalid(path, 'JSON values', value)
		this.#countLiteral(text)
		return text
	}

	#countLiteral(text: string): void {
		this.#literalLength += text.length
		if (this.#literalLength > LITERAL_LENGTH_MAX) {
			throw tooLarge(`${LITERAL_LENGTH_MAX} characters of keys and constants`)
		}
	}
}

function isOfTypes(value: unknown, types: readonly JsonType[] | null): boolean {
	if (types === null) return true
	if (value === null) return types.includes('null')
	if (Array.isArray(value)) return types.includes('array')
	if (typeof value === 'number' && Number.isInteger(value) && types.includes('integer')) return true
	return types.includes(typeof value as JsonType)
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

function unsupported(path: string, what: string): ConstraintError {
	return new ConstraintError('unsupported_value', `schema at ${path}: ${what} is not supported`)
}

function tooLarge(limit: string): ConstraintError {
	return new ConstraintError('unsupported_value', `schema: at most ${limit} can be enforced`)
}
