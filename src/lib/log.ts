/** How much a line matters. */
export type LogLevel = 'info' | 'warn' | 'error'

/** Writes one line of the log. */
export type Log = (
	level: LogLevel,
	message: string,
	fields?: Readonly<Record<string, unknown>>,
) => void

/**
 * A log whose lines are text for people or JSON for collectors. Control and direction characters are
 * escaped, so that nothing a client sent can forge a line or drive a terminal.
 */
export function createLog(format: 'text' | 'json', write: (line: string) => void): Log {
	return (level, message, fields = {}) => {
		const time = new Date().toISOString()
		const record = JSON.stringify({ time, level, message, ...fields })
		const details = Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`
		const line = format === 'json' ? record : `${time} ${level} ${message}${details}`
		write(`${escapeControls(line)}\n`)
	}
}

/** Control and direction characters as `\\u001b`: what others named must not drive a terminal. */
export function escapeControls(text: string): string {
	return text.replace(
		// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
		/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
		(character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
	)
}
