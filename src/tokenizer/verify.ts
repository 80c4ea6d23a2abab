/** How parts of a foreign tokenizer are verified: each check throws an Error that names the part. */
import { describeValue, isRecord } from '../lib/json.ts'

/** Most ids of a vocabulary, and most merges. */
export const VOCAB_SIZE_MAX = 2 ** 20
/** Most UTF-16 units of one token. */
export const TOKEN_LENGTH_MAX = 2 ** 16

export type Fields = Readonly<Record<string, unknown>>

export function isAbsent(value: unknown): value is undefined | null {
	return value === undefined || value === null
}

export function isId(value: unknown): value is number {
	return Number.isInteger(value) && (value as number) >= 0 && (value as number) < VOCAB_SIZE_MAX
}

export function record(path: string, value: unknown): Fields {
	if (!isRecord(value)) throw expected(path, 'an object', value)
	return value
}

export function list(path: string, value: unknown, lengthMax: number): readonly unknown[] {
	if (!Array.isArray(value) || value.length > lengthMax) {
		throw expected(path, `an array of at most ${lengthMax}`, value)
	}
	return value
}

export function expectValue(path: string, value: unknown, allowed: readonly unknown[]): void {
	if (allowed.includes(value)) return
	throw expected(
		path,
		allowed
			.filter((each) => each !== undefined)
			.map(describeValue)
			.join(' or '),
		value,
	)
}

export function expected(path: string, wanted: string, got: unknown): Error {
	return new Error(`${path}: expected ${wanted}, got ${describeValue(got)}`)
}
