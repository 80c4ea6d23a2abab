import { quoted } from '../../lib/json.ts'
import type { Steps } from '../../lib/steps.ts'
import { charsOf } from '../regex/char-set.ts'
import { type Dfa, dfaOf } from '../regex/dfa.ts'
import { type Language, Languages } from '../regex/language.ts'
import { RegexError } from '../regex/regex-error.ts'
import { matchOf, searchOf } from '../regex/regex-language.ts'
import { ConstraintError } from './constraint-error.ts'
import { countOf, type Part, type SchemaObject, textOf, unsupported } from './schema-fields.ts'
import { STRING_FORMATS, UNRESTRICTING_FORMATS } from './string-formats.ts'

/** Automata that are kept. */
const KNOWN_COUNT_MAX = 64

/** What a string must not be: set on schemas that negation makes, under a key that no client can send. */
export const EXCLUDED = Symbol('excluded')

export interface Excluded {
	readonly patterns?: readonly string[]
	readonly texts?: readonly string[]
}

/** What several schemas together ask of a string. */
export interface StringRules {
	readonly patterns: readonly string[]
	/** Patterns of formats, which are matched as a whole. */
	readonly wholes: readonly string[]
	readonly excludedPatterns: readonly string[]
	readonly excludedTexts: readonly string[]
	readonly lengthMin: number
	/** Maybe Infinity. */
	readonly lengthMax: number
}

export function stringRulesOf(parts: readonly Part[]): StringRules {
	const patterns: string[] = []
	const wholes: string[] = []
	let [lengthMin, lengthMax] = [0, Number.POSITIVE_INFINITY]
	for (const { fields, path } of parts) {
		const pattern = textOf(fields, 'pattern', path)
		if (pattern !== undefined) patterns.push(pattern)
		const whole = formatPattern(fields, path)
		if (whole !== null) wholes.push(whole)
		lengthMin = Math.max(lengthMin, countOf(fields, 'minLength', path) ?? 0)
		lengthMax = Math.min(lengthMax, countOf(fields, 'maxLength', path) ?? lengthMax)
	}
	const excluded = parts.map(({ fields }) => (fields as { [EXCLUDED]?: Excluded })[EXCLUDED])
	return {
		patterns,
		wholes,
		excludedPatterns: excluded.flatMap((it) => it?.patterns ?? []),
		excludedTexts: excluded.flatMap((it) => it?.texts ?? []),
		lengthMin,
		lengthMax,
	}
}

/** Lengths are all that is asked. */
export function areOnlyLengths(rules: StringRules): boolean {
	const { patterns, wholes, excludedPatterns, excludedTexts } = rules
	return [patterns, wholes, excludedPatterns, excludedTexts].every(({ length }) => length === 0)
}

/** Texts that obey the rules but for their lengths. */
export function stringDfa(rules: StringRules, path: string): Steps<Dfa> {
	const { patterns, wholes, excludedPatterns, excludedTexts } = rules
	const name = JSON.stringify([patterns, wholes, excludedPatterns, excludedTexts])
	return compiled(name, path, (to) =>
		to.and(
			...patterns.map((pattern) => searchOf(pattern, to)),
			...wholes.map((pattern) => matchOf(pattern, to)),
			...excludedPatterns.map((pattern) => to.not(searchOf(pattern, to))),
			...excludedTexts.map((text) => to.not(textLanguage(text, to))),
		),
	)
}

/** Texts in which a pattern matches somewhere. */
export function searchDfa(pattern: string, path: string): Steps<Dfa> {
	return compiled(`search ${pattern}`, path, (to) => searchOf(pattern, to))
}

/** Texts that match a pattern as a whole. */
export function matchDfa(pattern: string, path: string): Steps<Dfa> {
	return compiled(`match ${pattern}`, path, (to) => matchOf(pattern, to))
}

/** Keys that match some patterns, match none of others and obey the rules of their names but for lengths. */
export function keyDfa(
	{ some, none, names }: { some: readonly string[]; none: readonly string[]; names: StringRules },
	path: string,
): Steps<Dfa> {
	const rules = {
		...names,
		patterns: [...names.patterns, ...some],
		excludedPatterns: [...names.excludedPatterns, ...none],
	}
	return stringDfa(rules, path)
}

/** The pattern of a schema's format; null where it restricts nothing. */
function formatPattern(fields: SchemaObject, path: string): string | null {
	const format = textOf(fields, 'format', path)
	if (format === undefined || UNRESTRICTING_FORMATS.has(format)) return null
	const pattern = STRING_FORMATS.get(format)
	if (pattern !== undefined) return pattern
	// Generators of schemas name patterns like this.
	if (Object.hasOwn(fields, 'pattern')) return null
	throw unsupported(path, `the format ${quoted(format)}`)
}

function textLanguage(text: string, to: Languages): Language {
	return Array.from(text).reduceRight(
		(rest, char) => to.concat(to.chars(charsOf(char)), rest),
		to.empty,
	)
}

/** Automata by what they are of, least recently used first. */
const known = new Map<string, Dfa>()

function* compiled(name: string, path: string, language: (to: Languages) => Language): Steps<Dfa> {
	let dfa = known.get(name)
	known.delete(name)
	if (dfa === undefined) {
		const languages = new Languages()
		try {
			dfa = yield* dfaOf(language(languages), languages)
		} catch (error) {
			if (!(error instanceof RegexError)) throw error
			const code = error.kind === 'invalid' ? 'invalid_value' : 'unsupported_value'
			throw new ConstraintError(code, `schema at ${path}: the pattern ${error.message}`)
		}
	}
	known.set(name, dfa)
	if (known.size > KNOWN_COUNT_MAX) known.delete(known.keys().next().value!)
	return dfa
}
