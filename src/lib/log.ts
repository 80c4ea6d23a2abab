/** How much a line matters. */
export type LogLevel = 'info' | 'warn' | 'error'

/** Writes one line of the log. */
export type Log = (
	level: LogLevel,
	message: string,
	fields?: Readonly<Record<string, unknown>>,
) => void

/** Takes a line with its end. */
export type WriteLine = (line: string, level: LogLevel) => void

/**
 * A log whose lines are text for people or JSON for collectors. Control and direction characters are
 * escaped, so that nothing a client sent can forge a line or drive a terminal.
 */
export function createLog(format: 'text' | 'json', write: WriteLine): Log {
	return (level, message, fields = {}) => {
		const time = new Date().toISOString()
		const record = () => JSON.stringify({ time, level, message, ...fields })
		const line = format === 'json' ? record() : [time, level, message, ...pairs(fields)].join(' ')
		write(`${escapeControls(line)}\n`, level)
	}
}

/** Fields as `name=value`, a text with blanks in quotes. */
function pairs(fields: Readonly<Record<string, unknown>>): string[] {
	return Object.entries(fields).map(([name, value]) => {
		const isWord = typeof value === 'string' && /^[^\s"=]+$/.test(value)
		return `${name}=${isWord ? value : JSON.stringify(value)}`
	})
}

/** Control and direction characters as `\\u001b`: what others named must not drive a terminal. */
export function escapeControls(text: string): string {
	return text.replace(
		// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
		/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
		(character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
	)
}
