/** A value as the interpreter has it. */
export interface TemplateValue {
	readonly type: string
	readonly value: unknown
}

/**
 * A value as Jinja writes it into a text, which is as Python does: `True`, `None`, `['a', {'b': 1}]`. What is
 * not defined is the empty text.
 */
export function pythonText(value: TemplateValue): string {
	if (value.type === 'UndefinedValue') return ''
	return typeof value.value === 'string' ? value.value : representation(value)
}

function representation(value: TemplateValue): string {
	const { value: content } = value
	switch (value.type) {
		case 'StringValue':
			return quoted(String(content))
		case 'BooleanValue':
			return content === true ? 'True' : 'False'
		case 'NullValue':
			return 'None'
		case 'UndefinedValue':
			return 'Undefined'
		case 'ArrayValue':
			return `[${(content as TemplateValue[]).map(representation).join(', ')}]`
		case 'TupleValue': {
			const items = (content as TemplateValue[]).map(representation)
			return items.length === 1 ? `(${items[0]},)` : `(${items.join(', ')})`
		}
		case 'ObjectValue': {
			const entries = [...(content as Map<string, TemplateValue>)]
			return `{${entries.map(([key, item]) => `${quoted(key)}: ${representation(item)}`).join(', ')}}`
		}
		default:
			return String(value)
	}
}

const ESCAPES: Readonly<Record<string, string>> = {
	'\\': '\\\\',
	'\n': '\\n',
	'\r': '\\r',
	'\t': '\\t',
	"'": "\\'",
}

/** Python's quotation: by the other mark where the text has one of the usual. */
function quoted(text: string): string {
	const mark = text.includes("'") && !text.includes('"') ? '"' : "'"
	const escaped = text.replaceAll(/[\\\n\r\t']|[^\P{C}\n\r\t]/gu, (character) => {
		if (character === "'" && mark === '"') return character
		const short = ESCAPES[character]
		if (short !== undefined) return short
		const code = character.codePointAt(0)!
		if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`
		return code <= 0xffff
			? `\\u${code.toString(16).padStart(4, '0')}`
			: `\\U${code.toString(16).padStart(8, '0')}`
	})
	return mark + escaped + mark
}
