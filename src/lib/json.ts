/** An object of JSON: neither null nor an array. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * A JSON value in the words of an error message: what came where something else was expected.
 * Bounded for hostile input: long text is cut, objects and arrays are named, but for a few numbers not
 * printed.
 */
export function describeValue(value: unknown): string {
	if (value === undefined) return 'nothing'
	if (value === null) return 'null'
	if (Array.isArray(value)) {
		const isShort = value.length <= 8 && value.every((item) => typeof item === 'number')
		return isShort ? `[${value.join(', ')}]` : `an array of ${value.length}`
	}
	if (typeof value === 'object') return 'an object'
	const text = typeof value === 'string' ? JSON.stringify(value.slice(0, 101)) : String(value)
	return text.length > 100 ? `${text.slice(0, 100)}…` : text
}

/** A text without the mark that some editors put before it. */
export function withoutByteOrderMark(text: string): string {
	return text.startsWith('\ufeff') ? text.slice(1) : text
}
