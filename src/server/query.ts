/** Query strings by schema: every value arrives as text, numbers must be written as plain decimals. */
import { Kind, type Static, type TObject, type TSchema } from '@sinclair/typebox'
import { invalidType } from '../wire/errors.ts'
import { foldInteger64 } from '../wire/integer64.ts'
import { dropAbsent, validator } from './validation.ts'

const integer = /^[+-]?\d+$/
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** A reader of queries: the declared parameters of a request, checked. It throws ApiError. */
export function queryReader<T extends TObject>(schema: T): (request: Request) => Static<T> {
	const check = validator(schema)
	return (request) => {
		const query = typedQuery(schema, request)
		check(query)
		return query as Static<T>
	}
}

/** The declared parameters of a query with their types. Throws ApiError for what is no number. */
export function typedQuery(schema: TSchema, { url }: Request): Record<string, unknown> {
	// Decodes what it can, where Elysia leaves a value as it is for one broken percent sequence.
	const query = new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?')) : '')
	const typed: Record<string, unknown> = {}
	for (const [name, field] of Object.entries(schema['properties'] as Record<string, TSchema>)) {
		const text = query.getAll(name).at(-1)
		if (text === undefined) continue
		const isInteger = field[Kind] === 'Integer'
		if (!isInteger && field[Kind] !== 'Number') typed[name] = text
		else if (field['x-integer64'] === true && integer.test(text)) typed[name] = foldInteger64(text)
		else if ((isInteger ? integer : decimal).test(text)) typed[name] = Number(text)
		else throw invalidType(name, isInteger ? 'an integer' : 'a number', text)
	}
	dropAbsent(schema, typed)
	return typed
}
