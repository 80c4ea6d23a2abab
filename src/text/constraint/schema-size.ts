import { ConstraintError } from './constraint-error.ts'

/** JSON values in a schema: keywords, names and constants. */
const VALUE_COUNT_MAX = 20_000
/** Arrays and objects within each other. */
const DEPTH_MAX = 256
/** UTF-16 units of all keys and strings, descriptions too. */
const CHARACTER_COUNT_MAX = 2 ** 18

/**
 * Refuses a schema that is too large to be looked at, before anything recursive or quadratic sees it. Takes
 * time for what is allowed at most, however large the schema is.
 */
export function checkSchemaSize(schema: unknown): void {
	let values = 0
	let characters = 0
	let level = [schema]
	for (let depth = 0; level.length > 0; depth++) {
		if (depth > DEPTH_MAX) throw tooLarge(`${DEPTH_MAX} nested arrays and objects`)
		const inner: unknown[] = []
		for (const value of level) {
			if (typeof value === 'string') characters += value.length
			if (typeof value !== 'object' || value === null) continue
			const keys = Array.isArray(value) ? null : Object.keys(value)
			values += keys === null ? (value as unknown[]).length : keys.length
			if (values > VALUE_COUNT_MAX) throw tooLarge(`${VALUE_COUNT_MAX} values`)
			for (const key of keys ?? []) characters += key.length
			inner.push(...Object.values(value))
		}
		if (characters > CHARACTER_COUNT_MAX) throw tooLarge(`${CHARACTER_COUNT_MAX} characters`)
		level = inner
	}
}

function tooLarge(limit: string): ConstraintError {
	return new ConstraintError('unsupported_value', `schema: at most ${limit} can be enforced`)
}
