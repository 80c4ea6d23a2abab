import type { TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { dropNulls } from '../../src/server/validation.ts'

/** What a JSON value has against a response schema; empty when it conforms. */
export function violations(schema: TSchema, value: unknown): string[] {
	const copy = structuredClone(value)
	dropNulls(schema, copy)
	return [...Value.Errors(schema, copy)].map(({ path, message }) => `${path}: ${message}`)
}
