/** The kinds of options: numbers, bytes, texts, choices, lists, switches. */
import { type Option, suggestion, UsageError } from './option.ts'

/** What each kind of option is described with. */
interface Description<T> {
	readonly flag?: string
	readonly key?: string
	readonly env?: readonly string[]
	readonly isSecret?: boolean
	readonly defaultValue: T
	readonly defaultText?: string
	readonly help: string
}

/** A whole number within bounds. */
export function integerOption<T extends number | null>(
	description: Description<T> & { readonly min: number; readonly max: number },
): Option<number | T> {
	const { min, max } = description
	return {
		defaultText: String(description.defaultValue),
		...description,
		valueType: 'number',
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
		valueType: 'number',
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
		valueType: 'bytes',
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
		valueType: 'text',
		accepts: '',
		parse: (text) => text,
	}
}

/** Address of a server. */
export function urlOption<T extends string | null>(
	description: Description<T>,
): Option<string | T> {
	return {
		...textOption({ ...description, placeholder: 'URL' }),
		parse(text) {
			if (/^https?:\/\/[^/]/.test(text)) return text
			throw new UsageError(`expected an http:// or https:// address, got "${text}"`)
		},
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
		valueType: 'text',
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
		valueType: 'list',
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

const SWITCH_WORDS = new Map([
	...['true', '1', 'yes', 'on'].map((word) => [word, true] as const),
	...['false', '0', 'no', 'off'].map((word) => [word, false] as const),
])

/** A flag without a value; elsewhere a word says whether it is on. One named `--no-…` is on by default. */
export function switchOption(description: {
	readonly flag: string
	readonly help: string
}): Option<boolean> {
	return {
		...description,
		valueType: 'switch',
		placeholder: null,
		defaultValue: description.flag.startsWith('--no-'),
		defaultText: '',
		accepts: '',
		parse(text) {
			const value = SWITCH_WORDS.get(text.toLowerCase())
			if (value !== undefined) return value
			throw new UsageError(`expected true or false, got "${text}"`)
		},
	}
}

/** Bytes in the largest unit that leaves no more than one decimal: `512M`, `1.5G`. */
export function formatBytes(bytes: number): string {
	for (const unit of ['T', 'G', 'M', 'K']) {
		const amount = bytes / (BYTES_PER_UNIT.get(unit.toLowerCase()) as number)
		if (amount >= 1) return `${Number(amount.toFixed(1))}${unit}`
	}
	return String(bytes)
}
