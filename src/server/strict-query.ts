/** Query strings by schema: every value arrives as text, numbers must be written as plain decimals. */
import { Kind, type TObject } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { invalidType } from '../lib/api-errors.ts'
import { assertValid } from './validation.ts'

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** Route hooks that turn the query's numbers into numbers and check it against `schema`. */
export function strictQuery<T extends TObject>(schema: T) {
	const checker = TypeCompiler.Compile(schema)
	const transform = ({ query }: { query: Record<string, unknown> }): void => {
		for (const [name, field] of Object.entries(schema.properties)) {
			const text = query[name]
			if (text === undefined || (field[Kind] !== 'Integer' && field[Kind] !== 'Number')) continue
			if (typeof text !== 'string' || !decimal.test(text)) {
				const expected = field[Kind] === 'Integer' ? 'an integer' : 'a number'
				throw invalidType(name, expected, text)
			}
			query[name] = Number(text)
		}
		assertValid(checker, query)
	}
	return { transform, query: schema }
}
