/** Query strings by schema: every value arrives as text, numbers must be written as plain decimals. */
import { Kind, type TObject, type TSchema } from '@sinclair/typebox'
import { invalidType } from '../lib/api-errors.ts'
import { validator } from './validation.ts'

const integer = /^[+-]?\d+$/
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** Route hooks that turn the query's numbers into numbers and check it against `schema`. */
export function strictQuery<T extends TObject>(schema: T) {
	const check = validator(schema)
	const transform = ({ query }: { query: Record<string, unknown> }): void => {
		Object.assign(query, typedQuery(schema, query))
		check(query)
	}
	return { transform, query: schema }
}

/** The declared parameters of a query with their types. Throws ApiError for what is no number. */
export function typedQuery(
	schema: TSchema,
	query: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
	const typed: Record<string, unknown> = {}
	for (const [name, field] of Object.entries(schema['properties'] as Record<string, TSchema>)) {
		const text = query[name]
		if (text === undefined) continue
		const isInteger = field[Kind] === 'Integer'
		if (!isInteger && field[Kind] !== 'Number') typed[name] = text
		else if (typeof text === 'string' && (isInteger ? integer : decimal).test(text))
			typed[name] = Number(text)
		else throw invalidType(name, isInteger ? 'an integer' : 'a number', text)
	}
	return typed
}
