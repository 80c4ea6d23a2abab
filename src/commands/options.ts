/**
 * Command line options as data. A table of options gives the parser for flags and environment, the
 * `--help` text and the table of the README, so that these cannot disagree. Everything is a pure
 * function: argv and env come in as values. The kinds of options are in `option-kinds.ts`.
 */
import { parseArgs } from 'node:util'
import { distance } from 'fastest-levenshtein'
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
	/** One that other programs set, too; taken where `env` is not set. */
	readonly commonEnv?: string
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

export type OptionTable = Readonly<Record<string, Option<unknown>>>

/** The values that a table parses to. */
export type Values<Table extends OptionTable> = {
	readonly [Name in keyof Table]: Table[Name] extends Option<infer T> ? T : never
}

/** Where values come from. */
export interface OptionSources {
	readonly argv: readonly string[]
	readonly env: Readonly<Record<string, string | undefined>>
	/** Text of a file that a variable such as `UPLOAD_SECRET_FILE` names. */
	readonly readFile: (path: string) => string
}

/** Where each value came from, for messages: `--port`, `ALPHA_PORT`, or `--port (default)`. */
export type Origins<Table extends OptionTable> = Readonly<Record<keyof Table, string>>

/** Values of every option, flags before environment before defaults, and the other arguments. */
export function parseOptions<Table extends OptionTable>(
	table: Table,
	sources: OptionSources,
): {
	readonly values: Values<Table>
	readonly origins: Origins<Table>
	readonly positionals: readonly string[]
} {
	const { flags, positionals } = splitArguments(table, sources.argv)
	const values: Record<string, unknown> = {}
	const origins: Record<string, string> = {}
	for (const [name, option] of Object.entries(table)) {
		const given = givenText(option, flags, sources)
		values[name] = given === undefined ? option.defaultValue : parseText(option, given)
		origins[name] = given?.source ?? `${option.flag ?? option.env} (default)`
	}
	return {
		values: Object.freeze(values) as Values<Table>,
		origins: origins as Origins<Table>,
		positionals,
	}
}

/** Separates flags with their texts from positional arguments. */
function splitArguments(table: OptionTable, argv: readonly string[]) {
	const options = new Map(
		Object.values(table).flatMap((option) =>
			option.flag === undefined ? [] : [[option.flag, option] as const],
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
		flags.set(flag, value ?? '')
	}
	return { flags, positionals }
}

interface GivenText {
	readonly source: string
	readonly text: string
}

function parseText(option: Option<unknown>, given: GivenText): unknown {
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
): GivenText | undefined {
	const { flag, env: variable, commonEnv, envFile } = option
	const flagText = flag === undefined ? undefined : flags.get(flag)
	if (flag !== undefined && flagText !== undefined) return { source: flag, text: flagText }
	const text = variable === undefined ? '' : (env[variable] ?? '')
	const path = envFile === undefined ? '' : (env[envFile] ?? '')
	if (text !== '' && path !== '') throw new UsageError(`set ${variable} or ${envFile}, not both`)
	if (text !== '') return { source: variable ?? '', text }
	const commonText = commonEnv === undefined ? '' : (env[commonEnv] ?? '')
	if (commonText !== '') return { source: commonEnv ?? '', text: commonText }
	if (path === '') return undefined
	try {
		return { source: envFile ?? '', text: readFile(path).trim() }
	} catch (error) {
		throw new UsageError(`${envFile}: ${messageOf(error)}`)
	}
}

/** The options as lines of a `--help` text. */
export function formatHelp(table: OptionTable): string {
	const rows = Object.values(table).map((option) => [optionUsage(option), remarks(option)] as const)
	const width = Math.max(...rows.map(([left]) => left.length))
	return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}

/** How an option is given, for instance `--port N`. */
export function optionUsage(option: Option<unknown>): string {
	const name = option.flag ?? [option.env, option.envFile].filter(Boolean).join(', ')
	return option.flag === undefined || option.placeholder === null
		? name
		: `${name} ${option.placeholder}`
}

function remarks(option: Option<unknown>): string {
	const notes = [
		option.accepts,
		option.defaultText === '' ? '' : `default ${option.defaultText}`,
		option.flag === undefined ? '' : [option.env, option.commonEnv].filter(Boolean).join(', '),
	].filter((note) => note !== '')
	return notes.length === 0 ? option.help : `${option.help} (${notes.join('; ')})`
}

/** ` (did you mean …?)` with the closest candidate, or '' when none is close. */
export function suggestion(text: string, candidates: readonly string[]): string {
	let nearest = ''
	let editsMin = Math.max(2, Math.floor(text.length / 3)) + 1
	for (const candidate of candidates) {
		const edits = distance(text.toLowerCase(), candidate.toLowerCase())
		if (edits < editsMin) [nearest, editsMin] = [candidate, edits]
	}
	return nearest === '' ? '' : ` (did you mean ${nearest}?)`
}
