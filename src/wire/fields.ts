/** Building blocks of the wire schemas; all of them are also what the OpenAPI document shows. */
import {
	Kind,
	type Static,
	type TObject,
	type TOptional,
	type TProperties,
	type TSchema,
	type TUnknown,
	Type,
	TypeRegistry,
} from '@sinclair/typebox'
import { codePointCount } from '../text/code-points.ts'
import { int32Max } from './limits.ts'

/**
 * A field that may be absent or null, which mean the same unless the schema has `x-null`: what null
 * stands for. OpenAPI wants null among the choices.
 */
export function optional<T extends TSchema>(schema: T) {
	const choices = schema['enum'] === undefined ? {} : { enum: [...schema['enum'], null] }
	return Type.Optional<T>({ ...schema, ...choices, nullable: true })
}

/** A field of an answer that is always there and may be null. */
export function nullable<T extends TSchema>(schema: T) {
	const choices = schema['enum'] === undefined ? {} : { enum: [...schema['enum'], null] }
	return Type.Unsafe<Static<T> | null>({ ...schema, ...choices, nullable: true })
}

/** A schema that has a name in the OpenAPI document, where all copies of it are one. */
export function named<T extends TSchema>(title: string, schema: T): T {
	return { ...schema, title }
}

/** An object of a request or response; fields that are not declared are ignored. */
export function wireObject<T extends TProperties>(
	properties: T,
	options: { description?: string; example?: unknown } = {},
): TObject<T> {
	return Type.Object(properties, { ...options, additionalProperties: true })
}

/** An object of an answer with any keys; a Map, because they have an order (see `jsonText`). */
export function orderedObject<T extends TSchema>(values: T) {
	return Type.Unsafe<ReadonlyMap<string, Static<T>>>(
		Type.Object({}, { additionalProperties: values }),
	)
}

/**
 * A string out of a list. `unsupported`: other values exist elsewhere, but not on this server; `instead`
 * is what has here the effect that they have there.
 */
export function oneOf<const T extends string>(
	values: readonly T[],
	options: { description?: string; default?: T; unsupported?: boolean; instead?: string } = {},
) {
	const { unsupported = false, instead, ...rest } = options
	const pattern = `^(?:${values.map((v) => v.replaceAll('.', '\\.')).join('|')})$`
	return Type.Unsafe<T>(
		Type.String({
			...rest,
			enum: [...values],
			pattern,
			...(unsupported ? { 'x-unsupported': true } : {}),
			...(instead === undefined ? {} : { 'x-instead': instead }),
		}),
	)
}

/** Kind of the schemas that `boundedText` makes. */
export const BOUNDED_TEXT = 'BoundedText'

/** A string of up to `maxLength` characters: code points, as JSON Schema counts; TypeBox counts UTF-16 units. */
export function boundedText(options: {
	maxLength: number
	description?: string
	example?: string
}) {
	return Type.Unsafe<string>({ [Kind]: BOUNDED_TEXT, type: 'string', ...options })
}

TypeRegistry.Set<{ maxLength: number }>(BOUNDED_TEXT, ({ maxLength }, value) => {
	if (typeof value !== 'string') return false
	if (value.length <= maxLength) return true
	return value.length <= 2 * maxLength && codePointCount(value) <= maxLength
})

/** What clients of other servers send and this one can ignore without changing the answer. */
export function ignored(description = 'Accepted and ignored.'): TOptional<TUnknown> {
	return Type.Optional(Type.Unknown({ description }))
}

/** A field that asks for what this server cannot do; only absent or null passes. */
export function refused(description: string) {
	return Type.Optional(Type.Never({ description, nullable: true }))
}

/** A text that asks for what this server cannot do; only absent, null or '' passes. */
export function refusedText(description: string) {
	const expected = { 'x-unsupported': true, 'x-expected': 'an empty string' }
	return optional(Type.String({ maxLength: 0, description, ...expected }))
}

/** Token ids of a model. */
export function tokenIds(
	options: { description?: string; minItems?: number; maxItems?: number } = {},
) {
	return Type.Array(Type.Integer({ minimum: 0, maximum: int32Max }), options)
}
