import { describeValue, isRecord } from '../lib/json.ts'

/** A config that cannot be served; the message says what was expected and what came. */
export class ModelConfigError extends Error {
	override readonly name = 'ModelConfigError'
}

/** Bounds far above any model that this server is meant for; checked before anything is allocated. */
export const MODEL_LIMITS = {
	vocabSize: 1_000_000,
	contextLength: 131_072,
	nLayer: 512,
	nEmbd: 65_536,
	nHead: 4_096,
	ffnDim: 1_048_576,
} as const

/** A window of one token could neither roll nor hold what was drawn. */
export const CONTEXT_LENGTH_MIN = 2

/**
 * The fields of some trainer's config, each checked as it is read: a field that is absent or null has
 * its fallback, or is refused where there is none. All methods throw ModelConfigError.
 */
export class ConfigFields {
	readonly #fields: Readonly<Record<string, unknown>>
	/** What the file calls the object: the beginning of messages. */
	readonly #path: string

	constructor(json: unknown, path: string) {
		this.#path = path
		this.#fields = isRecord(json) ? json : fail(path, 'an object', json)
	}

	has(key: string): boolean {
		const value = this.#fields[key]
		return value !== undefined && value !== null
	}

	/** The value as it stands in the file. */
	value(key: string): unknown {
		return this.#fields[key]
	}

	/** An integer from `min` to `max`. */
	integer(key: string, [min, max]: readonly [min: number, max: number], fallback?: number): number {
		const value = this.#orFallback(key, fallback)
		if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) {
			return value as number
		}
		return this.refuse(key, `an integer from ${min} to ${max}`)
	}

	/** A finite number. */
	number(key: string): number {
		const value = this.#fields[key]
		return Number.isFinite(value) ? (value as number) : this.refuse(key, 'a number')
	}

	/** So many positive finite numbers. */
	positives(key: string, length: number): readonly number[] {
		const list = this.#fields[key]
		const isUsable = (value: unknown) => Number.isFinite(value) && (value as number) > 0
		if (Array.isArray(list) && list.length === length && list.every(isUsable)) return list
		return this.refuse(key, `${length} positive numbers`)
	}

	/** A positive finite number. */
	positive(key: string, fallback?: number): number {
		const value = this.#orFallback(key, fallback)
		if (Number.isFinite(value) && (value as number) > 0) return value as number
		return this.refuse(key, 'a positive number')
	}

	flag(key: string, fallback: boolean): boolean {
		const value = this.#orFallback(key, fallback)
		return typeof value === 'boolean' ? value : this.refuse(key, 'true or false')
	}

	/** The value that a table has for the field's text. */
	oneOf<T>(key: string, table: Readonly<Record<string, T>>, fallback?: string): T {
		const value = this.#orFallback(key, fallback)
		if (typeof value === 'string' && Object.hasOwn(table, value)) return table[value]!
		return this.refuse(key, `one of ${Object.keys(table).join(', ')}`)
	}

	/** The same for each text of a list of so many. */
	oneOfEach<T>(key: string, length: number, table: Readonly<Record<string, T>>): T[] {
		const list = this.#fields[key]
		if (Array.isArray(list) && list.length === length) {
			const isKnown = (text: unknown) => typeof text === 'string' && Object.hasOwn(table, text)
			if (list.every(isKnown)) return list.map((text) => table[text as string]!)
		}
		return this.refuse(key, `${length} of ${Object.keys(table).join(', ')}`)
	}

	/** The fields of an object within this one; null where there is none. */
	section(key: string): ConfigFields | null {
		return this.has(key) ? new ConfigFields(this.#fields[key], `${this.#path}.${key}`) : null
	}

	/** Refuses a list of texts of which one fails the test; `expected` says what each should be. */
	eachText(key: string, isAllowed: (text: string) => boolean, expected: string): void {
		const value = this.#fields[key]
		const isTextList = Array.isArray(value) && value.every((item) => typeof item === 'string')
		if (this.has(key) && !(isTextList && value.every(isAllowed))) {
			const shown = isTextList ? value.join(', ') : value
			fail(`${this.#path}.${key}`, expected, shown)
		}
	}

	/** Refuses fields that are not listed. */
	expectOnly(known: readonly string[]): void {
		const other = Object.keys(this.#fields).find((key) => !known.includes(key))
		if (other !== undefined) fail(this.#path, `only ${known.join(', ')}`, other)
	}

	/** Refuses any other value of a setting that cannot be computed. */
	mustBe(key: string, expected: string | number | boolean): void {
		if (this.has(key) && this.#fields[key] !== expected) this.refuse(key, String(expected))
	}

	refuse(key: string, expected: string): never {
		return fail(`${this.#path}.${key}`, expected, this.#fields[key])
	}

	#orFallback(key: string, fallback: unknown): unknown {
		return this.has(key) ? this.#fields[key] : fallback
	}
}

function fail(path: string, expected: string, got: unknown): never {
	throw new ModelConfigError(`${path}: expected ${expected}, got ${describeValue(got)}`)
}
