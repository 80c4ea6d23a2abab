/** The optional file of settings, in TOML: the keys of options, each with the value that its flag would get. */
import { messageOf } from '../../lib/errors.ts'
import {
	type GivenText,
	type Option,
	suggestion,
	textOf,
	UsageError,
	type ValueType,
} from './option.ts'

/** A file whose keys are all known. */
export interface SettingsFile {
	/** What it says of an option; undefined for nothing. */
	take(option: Option<unknown>): GivenText | undefined
}

/**
 * Reads the file that `given` names. Throws UsageError, which names the file or what named it, for what is
 * not TOML and for keys that are not in `keys`.
 */
export function readSettingsFile(
	{ source: namedBy, text: path }: GivenText,
	keys: readonly string[],
	readFile: (path: string) => string,
): SettingsFile {
	const values = parseToml(textOf(path, namedBy, readFile), path)
	for (const key of Object.keys(values)) {
		if (keys.includes(key)) continue
		throw new UsageError(`${path}: unknown key ${key}${suggestion(key, keys)}`)
	}
	const sourceOf = (key: string) => `${key} in ${path}`
	return {
		take({ key = '', isSecret = false, valueType }) {
			const fileKey = `${key}-file`
			const [value, secretPath] = [values[key], isSecret ? values[fileKey] : undefined]
			if (value !== undefined && secretPath !== undefined) {
				throw new UsageError(`${path}: set ${key} or ${fileKey}, not both`)
			}
			if (value !== undefined)
				return { source: sourceOf(key), text: toText(value, valueType, sourceOf(key)) }
			if (secretPath === undefined) return undefined
			const source = sourceOf(fileKey)
			return { source, text: textOf(toText(secretPath, 'text', source), source, readFile) }
		},
	}
}

function parseToml(text: string, path: string): Readonly<Record<string, unknown>> {
	try {
		return Bun.TOML.parse(text) as Record<string, unknown>
	} catch (error) {
		throw new UsageError(`${path}: ${messageOf(error)}`)
	}
}

/** The types that a kind of option takes, in words. */
const EXPECTED: Readonly<Record<ValueType, string>> = {
	text: 'a text in quotes',
	number: 'a number',
	bytes: 'a number of bytes, or a text such as "512M"',
	list: 'a list of texts such as ["a", "b"]',
	switch: 'true or false',
}

const TAKEN: Readonly<Record<ValueType, readonly string[]>> = {
	text: ['string'],
	number: ['number'],
	bytes: ['number', 'string'],
	list: ['string'],
	switch: ['boolean'],
}

/** A value as its flag would have it. Throws UsageError for one of another type. */
function toText(value: unknown, valueType: ValueType, source: string): string {
	if (TAKEN[valueType].includes(typeof value)) return String(value)
	const isList = Array.isArray(value) && value.every((item) => typeof item === 'string')
	if (valueType === 'list' && isList) return value.join('\n')
	throw new UsageError(`${source}: expected ${EXPECTED[valueType]}, got ${JSON.stringify(value)}`)
}
