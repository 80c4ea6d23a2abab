import type { TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'

/** What a JSON value has against a response schema; empty when it conforms. */
export function violations(schema: TSchema, value: unknown): string[] {
	return [...Value.Errors(schema, value)]
		.filter((error) => !(error.value === null && error.schema['nullable'] === true))
		.map(({ path, message }) => `${path}: ${message}`)
}
