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

/** Characters of a name that a message quotes. */
const QUOTED_LENGTH_MAX = 80

/** A name as a message quotes it, cut for hostile input. */
export function quoted(name: string): string {
	return JSON.stringify(name.slice(0, QUOTED_LENGTH_MAX))
}

/** A text without the mark that some editors put before it. */
export function withoutByteOrderMark(text: string): string {
	return text.startsWith('\ufeff') ? text.slice(1) : text
}
