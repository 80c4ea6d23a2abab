/** What `alpha serve --print-config` shows: every setting, as a settings file that would set it. */
import type { Option, OptionTable } from './option.ts'
import { isDefault } from './options.ts'

/** Each row's value in TOML with where it came from behind it. Secrets, and what has no value, are comments. */
export function formatSettings(
	table: OptionTable,
	values: Readonly<Record<string, unknown>>,
	origins: Readonly<Record<string, string>>,
): string {
	const rows = Object.entries(table).flatMap(([name, option]) =>
		option.key === undefined ? [] : [[line(option, values[name]), origin(option, origins[name]!)]],
	)
	const width = Math.max(...rows.map(([left]) => left!.length))
	return rows.map(([left, right]) => `${left!.padEnd(width)}  # ${right}\n`).join('')
}

function line({ key, isSecret = false }: Option<unknown>, value: unknown): string {
	const isEmpty = value === null || (Array.isArray(value) && value.length === 0)
	if (isEmpty) return `# ${key} is not set`
	if (isSecret) return `# ${key} is set and not shown`
	// TOML writes texts, whole and decimal numbers, truth values and lists as JSON does.
	return `${key} = ${JSON.stringify(value)}`
}

function origin({ defaultText, defaultValue }: Option<unknown>, source: string): string {
	if (!isDefault(source)) return source
	// Of a measured default, what it is.
	const isPlain = defaultText === '' || defaultText === String(defaultValue)
	return isPlain || typeof defaultValue !== 'number' ? 'default' : `default: ${defaultText}`
}
