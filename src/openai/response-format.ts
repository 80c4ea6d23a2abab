import {
	type Constraint,
	type ConstraintOptions,
	compileConstraint,
} from '../text/constraint/constraint.ts'
import { ConstraintError } from '../text/constraint/constraint-error.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { missingParameter, unenforceableFormat, unsupportedParameter } from '../wire/errors.ts'

/** The schema that a format asks for; null = free text. `given` is the one that came along, if any. */
export function toJsonSchema(
	type: 'text' | 'json_object' | 'json_schema' | undefined,
	given: object | undefined,
	param: string,
): object | null {
	if (type === undefined || type === 'text') return null
	if (type === 'json_object') return { type: 'object' }
	if (given === undefined) throw missingParameter(param)
	return given
}

/** What a text is held to. Stop strings could cut it anywhere, so they do not go with a format. */
export function toConstraint(
	schema: object | null,
	stop: readonly string[],
	tokenizer: Tokenizer,
	{ param, ...options }: ConstraintOptions & { readonly param: string },
): Constraint | null {
	if (schema === null) return null
	if (stop.length > 0) throw unsupportedParameter('stop', `It does not go with '${param}'.`)
	try {
		return compileConstraint(schema, tokenizer, options)
	} catch (error) {
		if (!(error instanceof ConstraintError)) throw error
		throw unenforceableFormat(param, error.code, error.message)
	}
}
