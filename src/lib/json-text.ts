/**
 * JSON of a value in which Maps stand for objects whose keys keep their order. A plain object cannot:
 * it puts keys that look like integers first.
 */
export function jsonText(value: unknown): string {
	if (value instanceof Map) {
		return objectText([...value].map(([key, field]) => [String(key), field]))
	}
	if (Array.isArray(value)) {
		if (value.every((item) => typeof item !== 'object')) return JSON.stringify(value)
		return `[${value.map((item) => (item === undefined ? 'null' : jsonText(item))).join()}]`
	}
	if (typeof value === 'object' && value !== null) return objectText(Object.entries(value))
	return JSON.stringify(value)
}

function objectText(fields: readonly (readonly [key: string, value: unknown])[]): string {
	const given = fields.filter(([, value]) => value !== undefined)
	return `{${given.map(([key, value]) => `${JSON.stringify(key)}:${jsonText(value)}`).join()}}`
}
