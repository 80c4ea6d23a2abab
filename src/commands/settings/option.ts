/** What an option of the command line is: its names, its kind and its meaning. */
import { distance } from 'fastest-levenshtein'
import { messageOf } from '../../lib/errors.ts'

/** Settings that cannot be obeyed; the message is for the person who wrote them. */
export class UsageError extends Error {
	override readonly name = 'UsageError'
}

/** What a settings file may hold for an option. */
export type ValueType = 'text' | 'number' | 'bytes' | 'list' | 'switch'

/** One option: how it is given, what it may be, and what it is for. */
export interface Option<T> {
	/** `--port`; absent for what must not be visible in a process list. A switch also has its opposite. */
	readonly flag?: string
	/** Its key in a settings file; absent for what one call decides. */
	readonly key?: string
	/** Environment variables, of which the first that is set counts; a flag overrides them. */
	readonly env?: readonly string[]
	/** Never shown; each variable has a twin, `…_FILE`, that names a file with the value, and so has the key. */
	readonly isSecret?: boolean
	readonly valueType: ValueType
	/** What stands for the value in the help, `N` or `NAME`; null for a switch, which takes none. */
	readonly placeholder: string | null
	readonly defaultValue: T
	/** The default as the help shows it; '' shows none. */
	readonly defaultText: string
	/** Accepted values in words, for instance `1 … 64`; '' where anything goes. */
	readonly accepts: string
	/** All words that it may be, where these are few; for completions. */
	readonly choices?: readonly string[]
	readonly help: string
	/** Value of the text that was given; throws UsageError with what was expected. */
	readonly parse: (text: string) => T
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>

/** What somebody gave for an option, and where. */
export interface GivenText {
	/** For messages: a flag, a variable, or a key and its file. */
	readonly source: string
	readonly text: string
}

/** The flags of an option: a switch can be turned the other way, too. */
export function flagsOf({ flag, placeholder }: Option<unknown>): string[] {
	if (flag === undefined) return []
	if (placeholder !== null) return [flag]
	const opposite = flag.startsWith('--no-')
		? flag.replace('--no-', '--')
		: flag.replace('--', '--no-')
	return [flag, opposite]
}

/** The keys that a settings file may have for an option. */
export function keysOf({ key, isSecret = false }: Option<unknown>): string[] {
	if (key === undefined) return []
	return isSecret ? [key, `${key}-file`] : [key]
}

/** All variables of an option. */
export function variablesOf({ env = [], isSecret = false }: Option<unknown>): string[] {
	return isSecret ? env.flatMap((name) => [name, `${name}_FILE`]) : [...env]
}

/** Text of a file, without the blanks around it. Throws UsageError that names `source`. */
export function textOf(path: string, source: string, readFile: (path: string) => string): string {
	try {
		return readFile(path).trim()
	} catch (error) {
		throw new UsageError(`${source}: ${messageOf(error)}`)
	}
}

/** ` (did you mean …?)` with the closest candidate, or '' when none is close. */
export function suggestion(
	text: string,
	candidates: readonly string[],
	editsMax = Math.max(2, Math.floor(text.length / 3)),
): string {
	let nearest = ''
	let editsMin = editsMax + 1
	for (const candidate of candidates) {
		const edits = distance(text.toLowerCase(), candidate.toLowerCase())
		if (edits < editsMin) [nearest, editsMin] = [candidate, edits]
	}
	return nearest === '' ? '' : ` (did you mean ${nearest}?)`
}
