/**
 * Command line options as data. A table of options gives the parser for flags and environment, the
 * `--help` text and the table of the README, so that these cannot disagree. Everything is a pure
 * function: argv and env come in as values.
 */
import { messageOf } from '../lib/errors.ts'

/** A command line or environment that cannot be obeyed; the message is for the person who typed it. */
export class UsageError extends Error {
	override readonly name = 'UsageError'
}

/** One option: how it is given, what it may be, and what it is for. */
export interface Option<T> {
	/** `--port`; absent for what must not be visible in a process list. */
	readonly flag?: string
	/** Environment variable, which a flag overrides. */
	readonly env?: string
	/** Environment variable with the name of a file that holds the value. */
	readonly envFile?: string
	/** What stands for the value in the help, `N` or `NAME`; null for a switch, which takes none. */
	readonly placeholder: string | null
	readonly defaultValue: T
	/** The default as the help shows it; '' shows none. */
	readonly defaultText: string
	/** Accepted values in words, for instance `1 … 64`; '' where anything goes. */
	readonly accepts: string
	readonly help: string
	/** Value of the text that was given; throws UsageError with what was expected. */
	readonly parse: (text: string) => T
}

/** What each kind of option is described with. */
interface Description<T> {
	readonly flag?: string
	readonly env?: string
	readonly envFile?: string
	readonly defaultValue: T
	readonly defaultText?: string
	readonly help: string
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>

/** The values that a table parses to. */
export type Values<Table extends OptionTable> = {
	readonly [Name in keyof Table]: Table[Name] extends Option<infer T> ? T : never
}

/** A whole number within bounds. */
export function integerOption<T extends number | null>(
	description: Description<T> & { readonly min: number; readonly max: number },
): Option<number | T> {
	const { min, max } = description
	return {
		defaultText: String(description.defaultValue),
		...description,
		placeholder: 'N',
		accepts: `${min} … ${max}`,
		parse(text) {
			const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN
			if (value >= min && value <= max) return value
			throw new UsageError(`expected a whole number from ${min} to ${max}, got "${text}"`)
		},
	}
}

/** A decimal number within bounds. */
export function numberOption(
	description: Description<number> & { readonly min: number; readonly max: number },
): Option<number> {
	const { min, max } = description
	return {
		defaultText: String(description.defaultValue),
		...description,
		placeholder: 'X',
		accepts: `${min} … ${max}`,
		parse(text) {
			const value = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
			if (value >= min && value <= max) return value
			throw new UsageError(`expected a number from ${min} to ${max}, got "${text}"`)
		},
	}
}

const BYTES_PER_UNIT = new Map([
	['', 1],
	['k', 2 ** 10],
	['m', 2 ** 20],
	['g', 2 ** 30],
	['t', 2 ** 40],
])

/** A number of bytes: `1048576`, `512M`, `1.5GiB`; units are powers of 1024. */
export function bytesOption(
	description: Description<number> & { readonly min: number },
): Option<number> {
	const { min } = description
	return {
		defaultText: formatBytes(description.defaultValue),
		...description,
		placeholder: 'BYTES',
		accepts: `from ${formatBytes(min)}`,
		parse(text) {
			const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i.exec(text) ?? []
			const value = Math.floor(Number(amount) * (BYTES_PER_UNIT.get(unit.toLowerCase()) ?? 1))
			if (amount !== '' && value >= min && value <= Number.MAX_SAFE_INTEGER) return value
			throw new UsageError(
				`expected a number of bytes such as 512M or 2G, at least ${formatBytes(min)}, got "${text}"`,
			)
		},
	}
}

/** Any text that is not empty. */
export function textOption<T extends string | null>(
	description: Description<T> & { readonly placeholder: string },
): Option<string | T> {
	return {
		defaultText: description.defaultValue ?? '',
		...description,
		accepts: '',
		parse: (text) => text,
	}
}

/** Longest list of choices that stands beside its flag. */
const CHOICES_SHOWN_MAX = 32

/** One of a few words. */
export function choiceOption<const Choice extends string>(
	description: Description<NoInfer<Choice>> & { readonly choices: readonly Choice[] },
): Option<Choice> {
	const { choices } = description
	const list = choices.join('|')
	const isShort = list.length <= CHOICES_SHOWN_MAX
	return {
		defaultText: description.defaultValue,
		...description,
		placeholder: isShort ? list : 'NAME',
		accepts: isShort ? '' : choices.join(', '),
		parse(text) {
			const choice = choices.find((candidate) => candidate === text)
			if (choice !== undefined) return choice
			throw new UsageError(
				`expected ${choices.join(', ')}, got "${text}"${suggestion(text, choices)}`,
			)
		},
	}
}

/** Several values separated by commas or line ends. */
export function listOption(
	description: Description<readonly string[]> & { readonly placeholder: string },
): Option<readonly string[]> {
	return {
		defaultText: description.defaultValue.join(','),
		...description,
		accepts: '',
		parse(text) {
			const items = text
				.split(/[,\r\n]/)
				.map((item) => item.trim())
				.filter((item) => item !== '')
			if (items.length > 0) return items
			throw new UsageError(`expected ${description.placeholder}, got "${text}"`)
		},
	}
}

/** A flag without a value. `--no-…` switches off what is on by default. */
export function switchOption(description: {
	readonly flag: string
	readonly help: string
}): Option<boolean> {
	const isOnByDefault = description.flag.startsWith('--no-')
	return {
		...description,
		placeholder: null,
		defaultValue: isOnByDefault,
		defaultText: '',
		accepts: '',
		parse: () => !isOnByDefault,
	}
}

/** Where values come from. */
export interface OptionSources {
	readonly argv: readonly string[]
	readonly env: Readonly<Record<string, string | undefined>>
	/** Text of a file that a variable such as `UPLOAD_SECRET_FILE` names. */
	readonly readFile: (path: string) => string
}

/** Values of every option, flags before environment before defaults, and the other arguments. */
export function parseOptions<Table extends OptionTable>(
	table: Table,
	sources: OptionSources,
): { readonly values: Values<Table>; readonly positionals: readonly string[] } {
	const { flags, positionals } = splitArguments(table, sources.argv)
	const values: Record<string, unknown> = {}
	for (const [name, option] of Object.entries(table)) {
		values[name] = optionValue(option, flags, sources)
	}
	return { values: Object.freeze(values) as Values<Table>, positionals }
}

/** Separates flags with their texts from positional arguments. */
function splitArguments(table: OptionTable, argv: readonly string[]) {
	const options = new Map(
		Object.values(table).flatMap((option) =>
			option.flag === undefined ? [] : [[option.flag, option] as const],
		),
	)
	const flags = new Map<string, string>()
	const positionals: string[] = []
	for (let i = 0; i < argv.length; i++) {
		const argument = argv[i] as string
		if (argument === '--') {
			positionals.push(...argv.slice(i + 1))
			break
		}
		if (!argument.startsWith('-') || argument === '-') {
			positionals.push(argument)
			continue
		}
		const [flag = '', ...rest] = argument.split('=')
		const option = options.get(flag)
		if (option === undefined) {
			throw new UsageError(`unknown option ${flag}${suggestion(flag, [...options.keys()])}`)
		}
		if (option.placeholder === null) {
			if (rest.length > 0) throw new UsageError(`${flag} takes no value`)
			flags.set(flag, '')
		} else if (rest.length > 0) {
			flags.set(flag, rest.join('='))
		} else {
			const text = argv[++i]
			if (text === undefined || text.startsWith('--')) {
				throw new UsageError(`${flag} needs a value: ${flag} ${option.placeholder}`)
			}
			flags.set(flag, text)
		}
	}
	return { flags, positionals }
}

function optionValue(
	option: Option<unknown>,
	flags: ReadonlyMap<string, string>,
	sources: OptionSources,
): unknown {
	const given = givenText(option, flags, sources)
	if (given === undefined) return option.defaultValue
	try {
		if (given.text === '' && option.placeholder !== null) {
			throw new UsageError('expected a value, got nothing')
		}
		return option.parse(given.text)
	} catch (error) {
		if (error instanceof UsageError) throw new UsageError(`${given.source}: ${error.message}`)
		throw error
	}
}

/** The text of an option and where it was found; an empty variable counts as absent. */
function givenText(
	option: Option<unknown>,
	flags: ReadonlyMap<string, string>,
	{ env, readFile }: OptionSources,
): { source: string; text: string } | undefined {
	const { flag, env: variable, envFile } = option
	const flagText = flag === undefined ? undefined : flags.get(flag)
	if (flag !== undefined && flagText !== undefined) return { source: flag, text: flagText }
	const text = variable === undefined ? '' : (env[variable] ?? '')
	const path = envFile === undefined ? '' : (env[envFile] ?? '')
	if (text !== '' && path !== '') throw new UsageError(`set ${variable} or ${envFile}, not both`)
	if (text !== '') return { source: variable ?? '', text }
	if (path === '') return undefined
	try {
		return { source: envFile ?? '', text: readFile(path).trim() }
	} catch (error) {
		throw new UsageError(`${envFile}: ${messageOf(error)}`)
	}
}

/** The options as lines of a `--help` text. */
export function formatHelp(table: OptionTable): string {
	const rows = Object.values(table).map((option) => [usage(option), remarks(option)] as const)
	const width = Math.max(...rows.map(([left]) => left.length))
	return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}

/** The options as a Markdown table. */
export function formatMarkdown(table: OptionTable): string {
	const code = (text: string | undefined) => (text === undefined ? '' : `\`${text}\``)
	const rows = Object.values(table).map((option) => {
		const flag = option.flag === undefined ? undefined : usage(option)
		const variables = [option.env, option.envFile].filter((name) => name !== undefined)
		const accepts = option.accepts === '' ? '' : ` (${option.accepts})`
		const cells = [
			code(flag?.replaceAll('|', '\\|')),
			variables.map(code).join(', '),
			option.defaultText,
			`${option.help}${accepts}`,
		]
		return `| ${cells.join(' | ')} |`
	})
	return ['| option | environment | default | meaning |', '|---|---|---|---|', ...rows].join('\n')
}

function usage(option: Option<unknown>): string {
	const name = option.flag ?? [option.env, option.envFile].filter(Boolean).join(', ')
	return option.flag === undefined || option.placeholder === null
		? name
		: `${name} ${option.placeholder}`
}

function remarks(option: Option<unknown>): string {
	const notes = [
		option.accepts,
		option.defaultText === '' ? '' : `default ${option.defaultText}`,
		option.flag !== undefined && option.env !== undefined ? option.env : '',
	].filter((note) => note !== '')
	return notes.length === 0 ? option.help : `${option.help} (${notes.join('; ')})`
}

/** Bytes in the largest unit that leaves no more than one decimal: `512M`, `1.5G`. */
export function formatBytes(bytes: number): string {
	for (const unit of ['T', 'G', 'M', 'K']) {
		const amount = bytes / (BYTES_PER_UNIT.get(unit.toLowerCase()) as number)
		if (amount >= 1) return `${Number(amount.toFixed(1))}${unit}`
	}
	return String(bytes)
}

/** ` (did you mean …?)` with the closest candidate, or '' when none is close. */
export function suggestion(text: string, candidates: readonly string[]): string {
	let nearest = ''
	let nearestDistance = Math.max(2, Math.floor(text.length / 3)) + 1
	for (const candidate of candidates) {
		const distance = editDistance(text.toLowerCase(), candidate.toLowerCase())
		if (distance < nearestDistance) [nearest, nearestDistance] = [candidate, distance]
	}
	return nearest === '' ? '' : ` (did you mean ${nearest}?)`
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
	const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)]
	const at = (i: number, j: number) => (rows[i] as number[])[j] as number
	for (let i = 1; i <= a.length; i++) {
		const row = [i]
		rows.push(row)
		for (let j = 1; j <= b.length; j++) {
			const replaced = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
			const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
			const swapped = isSwap ? at(i - 2, j - 2) + 1 : replaced
			row.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, replaced, swapped))
		}
	}
	return at(a.length, b.length)
}
