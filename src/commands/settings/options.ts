/**
 * Command line options as data. A table of options gives the parser for flags, environment and settings
 * file, the `--help` text, the completions and the table of the README, so that these cannot disagree.
 * Everything is a pure function: argv and env come in as values. The kinds of options are in
 * `option-kinds.ts`, the names of settings in `settings.ts`.
 */
import { parseArgs } from 'node:util'
import {
	flagsOf,
	type GivenText,
	keysOf,
	type Option,
	type OptionTable,
	suggestion,
	textOf,
	UsageError,
	variablesOf,
} from './option.ts'
import { readSettingsFile, type SettingsFile } from './settings-file.ts'

/** The values that a table parses to. */
export type Values<Table extends OptionTable> = {
	readonly [Name in keyof Table]: Table[Name] extends Option<infer T> ? T : never
}

/** Where values come from. */
export interface OptionSources {
	readonly argv: readonly string[]
	readonly env: Readonly<Record<string, string | undefined>>
	/** Text of the settings file, or of a file that a variable such as `UPLOAD_SECRET_FILE` names. */
	readonly readFile: (path: string) => string
	/** Keys that other commands have in the same settings file. */
	readonly otherKeys?: readonly string[]
}

/** Where each value came from, for messages: `--port`, `ALPHA_PORT`, `port in FILE`, or `--port (default)`. */
export type Origins<Table extends OptionTable> = Readonly<Record<keyof Table, string>>

const DEFAULT_MARK = ' (default)'

/** Whether nobody gave the value. */
export function isDefault(origin: string): boolean {
	return origin.endsWith(DEFAULT_MARK)
}

/**
 * Values of every option, flags before environment before the settings file before defaults, and the other
 * arguments. The row named `config`, where a table has one, names the settings file.
 */
export function parseOptions<Table extends OptionTable>(
	table: Table,
	sources: OptionSources,
): {
	readonly values: Values<Table>
	readonly origins: Origins<Table>
	readonly positionals: readonly string[]
} {
	const { flags, positionals } = splitArguments(table, sources.argv)
	const file = findSettingsFile(table, flags, sources)
	const values: Record<string, unknown> = {}
	const origins: Record<string, string> = {}
	for (const [name, option] of Object.entries(table)) {
		const given = givenText(option, flags, sources) ?? file?.take(option)
		values[name] = given === undefined ? option.defaultValue : parseText(option, given)
		origins[name] = given?.source ?? `${option.flag ?? option.env?.[0]}${DEFAULT_MARK}`
	}
	return {
		values: Object.freeze(values) as Values<Table>,
		origins: origins as Origins<Table>,
		positionals,
	}
}

function findSettingsFile(
	table: OptionTable,
	flags: ReadonlyMap<string, string>,
	sources: OptionSources,
): SettingsFile | undefined {
	const option = table['config']
	const given = option && givenText(option, flags, sources)
	if (given === undefined) return undefined
	const keys = Object.values(table).flatMap((each) => keysOf(each))
	return readSettingsFile(given, [...keys, ...(sources.otherKeys ?? [])], sources.readFile)
}

/** Separates flags with their texts from positional arguments. */
function splitArguments(table: OptionTable, argv: readonly string[]) {
	const options = new Map(
		Object.values(table).flatMap((option) =>
			flagsOf(option).map((flag) => [flag, option] as const),
		),
	)
	const { tokens } = parseArgs({
		args: [...argv],
		options: Object.fromEntries(
			[...options].map(([flag, { placeholder }]) => [
				flag.slice('--'.length),
				{ type: placeholder === null ? ('boolean' as const) : ('string' as const) },
			]),
		),
		// Our own errors are for people: they suggest names and say what a flag takes.
		strict: false,
		tokens: true,
	})
	const flags = new Map<string, string>()
	const positionals: string[] = []
	for (const token of tokens) {
		if (token.kind === 'positional') positionals.push(token.value)
		if (token.kind !== 'option') continue
		const { rawName: flag, value, inlineValue } = token
		const option = options.get(flag)
		if (option === undefined) {
			throw new UsageError(`unknown option ${flag}${suggestion(flag, [...options.keys()])}`)
		}
		const isSwitch = option.placeholder === null
		if (isSwitch && value !== undefined) throw new UsageError(`${flag} takes no value`)
		const isNextFlag = inlineValue === false && value.startsWith('--')
		if (!isSwitch && (value === undefined || isNextFlag)) {
			throw new UsageError(`${flag} needs a value: ${flag} ${option.placeholder}`)
		}
		// Of a switch and its opposite the last counts.
		for (const each of flagsOf(option)) flags.delete(each)
		flags.set(flag, isSwitch ? String(!flag.startsWith('--no-')) : (value ?? ''))
	}
	return { flags, positionals }
}

function parseText(option: Option<unknown>, given: GivenText): unknown {
	try {
		if (given.text === '') throw new UsageError('expected a value, got nothing')
		return option.parse(given.text)
	} catch (error) {
		if (error instanceof UsageError) throw new UsageError(`${given.source}: ${error.message}`)
		throw error
	}
}

/** The text of an option in argv or environment; an empty variable counts as absent. */
function givenText(
	option: Option<unknown>,
	flags: ReadonlyMap<string, string>,
	{ env, readFile }: OptionSources,
): GivenText | undefined {
	for (const flag of flagsOf(option)) {
		const text = flags.get(flag)
		if (text !== undefined) return { source: flag, text }
	}
	for (const variable of option.env ?? []) {
		const text = env[variable] ?? ''
		const fileVariable = `${variable}_FILE`
		const path = option.isSecret ? (env[fileVariable] ?? '') : ''
		if (text !== '' && path !== '') {
			throw new UsageError(`set ${variable} or ${fileVariable}, not both`)
		}
		if (text !== '') return { source: variable, text }
		if (path !== '') return { source: fileVariable, text: textOf(path, fileVariable, readFile) }
	}
	return undefined
}

/** The options as lines of a `--help` text. */
export function formatHelp(table: OptionTable): string {
	const rows = Object.values(table).map((option) => [optionUsage(option), remarks(option)] as const)
	const width = Math.max(...rows.map(([left]) => left.length))
	return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}

/** How an option is given, for instance `--port N` or `UPLOAD_SECRET[_FILE]`. */
export function optionUsage(option: Option<unknown>): string {
	if (option.flag === undefined) return `${option.env?.at(-1)}${option.isSecret ? '[_FILE]' : ''}`
	return option.placeholder === null ? option.flag : `${option.flag} ${option.placeholder}`
}

function remarks(option: Option<unknown>): string {
	const notes = [
		option.accepts,
		option.defaultText === '' ? '' : `default ${option.defaultText}`,
		// The first variable of a setting follows from its flag.
		option.flag === undefined
			? ''
			: variablesOf(option)
					.slice(option.key ? 1 : 0)
					.join(', '),
	].filter((note) => note !== '')
	return notes.length === 0 ? option.help : `${option.help} (${notes.join('; ')})`
}
