/** Fields whose value would change the answer and that an endpoint does not have. */
import { unsupportedParameter } from './errors.ts'

/** Whether a value asks for nothing: absent, false, or empty. */
export function isEmpty(value: unknown): boolean {
	if (value === undefined || value === null || value === false || value === '') return true
	if (Array.isArray(value)) return value.length === 0
	return typeof value === 'object' && Object.keys(value).length === 0
}

/** Throws ApiError 400 when the value asks for something. */
export function refuseUnlessEmpty(param: string, value: unknown): void {
	if (!isEmpty(value)) throw unsupportedParameter(param, 'This server cannot enforce it.')
}
