/**
 * A JSON value in the words of an error message: what was found where something else was expected.
 * Bounded for hostile input: long text is cut, objects and arrays are named but not printed.
 */
export function describeValue(value: unknown): string {
	if (value === undefined) return 'nothing'
	if (value === null) return 'null'
	if (Array.isArray(value)) return `an array of ${value.length}`
	if (typeof value === 'object') return 'an object'
	const text = typeof value === 'string' ? JSON.stringify(value.slice(0, 101)) : String(value)
	return text.length > 100 ? `${text.slice(0, 100)}…` : text
}
