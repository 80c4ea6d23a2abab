/**
 * From what the routes declare to the document that is sent: OpenAPI 3.1, whose schemas are JSON Schema.
 * A schema with a title stands once, under that name; a path that is only another name of an operation is
 * told there and not listed; what an operation throws and which headers it has is referred to.
 */
import { isRecord } from '../lib/json.ts'
import { errorResponses, responseHeaders } from './openapi.ts'

type JsonObject = Record<string, unknown>

/** What stands in paths, for people and for tools that try the routes. */
const PATH_PARAMETERS: Readonly<Record<string, { description: string; example: string }>> = {
	id: { description: 'Id of a model or of a run.', example: 'my-run' },
	file: { description: 'Name of the file.', example: 'metrics.jsonl' },
}

/** The document of what a generator of OpenAPI 3.0 has gathered from the routes. */
export function toDocument(gathered: JsonObject): JsonObject {
	const schemas = new NamedSchemas()
	const paths: JsonObject = {}
	for (const [path, operations] of Object.entries(withoutAliases(gathered['paths']))) {
		paths[path] = Object.fromEntries(
			Object.entries(operations).map(([method, each]) => [method, toOperation(each, schemas)]),
		)
	}
	const { securitySchemes } = objectAt(gathered, 'components')
	const responses = schemas.convertIn(errorResponses)
	return {
		...gathered,
		openapi: '3.1.0',
		paths,
		components: { schemas: schemas.all(), responses, headers: responseHeaders, securitySchemes },
	}
}

/** Operations that are declared for several paths, under the first of them. */
function withoutAliases(paths: unknown): Record<string, Record<string, JsonObject>> {
	const known = new Map<string, { readonly operation: JsonObject; readonly names: string[] }>()
	const listed: Record<string, Record<string, JsonObject>> = {}
	for (const [path, operations] of Object.entries(paths as Record<string, JsonObject>)) {
		for (const [method, operation] of Object.entries(operations as Record<string, JsonObject>)) {
			const key = `${method} ${JSON.stringify(operation)}`
			const first = known.get(key)
			if (first !== undefined) {
				first.names.push(path)
				continue
			}
			known.set(key, { operation: { ...operation }, names: [] })
			listed[path] = { ...listed[path], [method]: known.get(key)!.operation }
		}
	}
	for (const { operation, names } of known.values()) {
		if (names.length === 0) continue
		const also = `Also at ${names.map((name) => `\`${name}\``).join(', ')}.`
		operation['description'] = [operation['description'] ?? [], also].flat().join('\n\n')
		operation['x-aliases'] = names
	}
	return listed
}

function toOperation(operation: JsonObject, schemas: NamedSchemas): JsonObject {
	const parameters = (operation['parameters'] ?? []) as JsonObject[]
	const body = operation['requestBody']
	return {
		...without(operation, ['x-takes-place']),
		...(parameters.length === 0
			? {}
			: { parameters: parameters.map((each) => toParameter(each, schemas)) }),
		...(isRecord(body) ? { requestBody: schemas.convertIn(body) } : {}),
		responses: schemas.convertIn(objectAt(operation, 'responses')),
	}
}

function toParameter(parameter: JsonObject, schemas: NamedSchemas): JsonObject {
	const { schema, ...rest } = parameter
	const { example, ...bare } = schemas.convert(schema as JsonObject) as JsonObject
	const known = rest['in'] === 'path' ? PATH_PARAMETERS[String(rest['name'])] : undefined
	return { ...rest, ...(example === undefined ? {} : { example }), ...known, schema: bare }
}

/** Keywords with a schema, and with a list of schemas. */
const SCHEMA_KEYWORDS = ['items', 'not', 'additionalProperties', 'x-useful-schema']
const LIST_KEYWORDS = ['anyOf', 'allOf', 'oneOf']

/** What may stand beside a reference, because it says something about this use of the schema. */
const USE_KEYWORDS = ['description', 'default', 'example']

/** Turns TypeBox's schemas into JSON Schema and takes out those that have a name. */
class NamedSchemas {
	readonly #named = new Map<string, { readonly schema: JsonObject; readonly core: string }>()

	/** By name. */
	all(): JsonObject {
		const entries = [...this.#named].map(([name, { schema }]) => [name, schema] as const)
		return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
	}

	/** Any part of the document, with the schemas in it converted. */
	convertIn<T>(part: T): T {
		if (Array.isArray(part)) return part.map((each) => this.convertIn(each)) as T
		if (!isRecord(part)) return part
		const entries = Object.entries(part).map(([key, value]) => {
			if (key === 'example') return [key, value]
			const isSchema = (key === 'schema' || key === 'x-data-schema') && isRecord(value)
			return [key, isSchema ? this.convert(value as JsonObject) : this.convertIn(value)]
		})
		return Object.fromEntries(entries)
	}

	convert(schema: JsonObject): JsonObject {
		const { title, nullable, ...rest } = schema
		const children = withPlainChoices(this.#convertChildren(rest))
		if (typeof title !== 'string') return nullable === true ? orNull(children) : children
		const reference = this.#refer(title, children)
		if (nullable !== true) return reference
		const { $ref, ...use } = reference
		return { ...use, anyOf: [{ $ref }, { type: 'null' }] }
	}

	#refer(title: string, schema: JsonObject): JsonObject {
		const core = JSON.stringify(without(schema, USE_KEYWORDS))
		const known = this.#named.get(title)
		if (known !== undefined && known.core !== core) {
			throw new Error(`two schemas are called ${title}`)
		}
		const named = known?.schema ?? schema
		if (known === undefined) this.#named.set(title, { schema, core })
		const use = USE_KEYWORDS.filter((key) => {
			return key in schema && JSON.stringify(schema[key]) !== JSON.stringify(named[key])
		})
		const $ref = `#/components/schemas/${title}`
		return { $ref, ...Object.fromEntries(use.map((key) => [key, schema[key]])) }
	}

	#convertChildren(schema: JsonObject): JsonObject {
		const converted: JsonObject = { ...schema }
		for (const key of SCHEMA_KEYWORDS) {
			const value = schema[key]
			if (isRecord(value)) converted[key] = this.convert(value)
		}
		for (const key of LIST_KEYWORDS) {
			const value = schema[key]
			if (Array.isArray(value)) converted[key] = value.map((each) => this.convert(each))
		}
		const { properties } = schema
		if (!isRecord(properties)) return converted
		const fields = Object.entries(properties as Record<string, JsonObject>)
		const taken = fields.filter(([, field]) => !isRefused(field))
		converted['properties'] = Object.fromEntries(
			taken.map(([name, field]) => [name, this.convert(field)]),
		)
		const refused = fields.filter(([, field]) => isRefused(field))
		if (refused.length === 0) return converted
		const reasons = refused.map(([name, { description }]) => `\`${name}\` (${description})`)
		const told = [schema['description'] ?? [], `Refused: ${reasons.join(', ')}.`].flat()
		return { ...converted, description: told.join(' ') }
	}
}

/** A field that takes no value: types that are generated of it are of no use to anybody. */
function isRefused({ not }: JsonObject): boolean {
	return isRecord(not) && Object.keys(not).length === 0
}

/** A choice of texts without the pattern that says the same, and without null, which `nullable` says. */
function withPlainChoices(schema: JsonObject): JsonObject {
	if (!Array.isArray(schema['enum'])) return schema
	const { pattern: _pattern, enum: all, ...rest } = schema
	const choices = (all as unknown[]).filter((choice) => choice !== null)
	return choices.length === 1 ? { ...rest, const: choices[0] } : { ...rest, enum: choices }
}

/** A schema that takes null as well. */
function orNull(schema: JsonObject): JsonObject {
	if (Array.isArray(schema['anyOf'])) {
		return { ...schema, anyOf: [...schema['anyOf'], { type: 'null' }] }
	}
	if ('enum' in schema || 'const' in schema) {
		const use = Object.fromEntries(
			USE_KEYWORDS.flatMap((key) => (key in schema ? [[key, schema[key]]] : [])),
		)
		return { ...use, anyOf: [without(schema, USE_KEYWORDS), { type: 'null' }] }
	}
	return typeof schema['type'] === 'string' ? { ...schema, type: [schema['type'], 'null'] } : schema
}

function without(object: JsonObject, keys: readonly string[]): JsonObject {
	return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)))
}

function objectAt(object: JsonObject, key: string): JsonObject {
	return (object[key] ?? {}) as JsonObject
}
