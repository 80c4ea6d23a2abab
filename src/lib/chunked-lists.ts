/**
 * Plain data on its way between threads. Whoever receives a message makes all of its strings and lists
 * before anything else runs, a microsecond or two for each. Long lists go as JSON texts instead, which
 * are copied as they are, and are made again in steps.
 */
import type { Steps } from './steps.ts'

/** A value whose long lists are texts. Plain data: crosses threads. */
export interface Chunked<T> {
	/** The value with an empty list in the place of each long one. */
	readonly rest: T
	readonly lists: readonly ChunkedList[]
}

interface ChunkedList {
	/** Names and indexes that lead to it. */
	readonly path: readonly (string | number)[]
	/** JSON arrays; their items, one after another, are those of the list. */
	readonly texts: readonly string[]
}

/** Fewest items of a list that goes as texts. */
const LONG_LIST_ITEMS = 256
/** UTF-16 units of a text, roughly: it takes some hundred microseconds to read. */
const TEXT_LENGTH = 2 ** 14

/** Long lists must hold what JSON gives back as it is: strings, finite numbers, objects of them. */
export function toChunks<T extends object>(value: T): Chunked<T> {
	const lists: ChunkedList[] = []
	const shorten = (part: unknown, path: ChunkedList['path']): unknown => {
		if (Array.isArray(part)) {
			if (part.length < LONG_LIST_ITEMS) return part.map((item, i) => shorten(item, [...path, i]))
			lists.push({ path, texts: [...textsOf(part)] })
			return []
		}
		if (!isPlainObject(part)) return part
		return Object.fromEntries(
			Object.entries(part).map(([name, field]) => [name, shorten(field, [...path, name])]),
		)
	}
	return { rest: shorten(value, []) as T, lists }
}

/** The value that `toChunks` was given. Completes `rest` in place. */
export function* fromChunks<T>({ rest, lists }: Chunked<T>): Steps<T> {
	for (const { path, texts } of lists) {
		const list = path.reduce<unknown>((part, name) => Reflect.get(part as object, name), rest)
		for (const text of texts) {
			for (const item of JSON.parse(text)) (list as unknown[]).push(item)
			yield
		}
	}
	return rest
}

function* textsOf(list: readonly unknown[]): Generator<string> {
	let items: string[] = []
	let length = 0
	for (const item of list) {
		const text = JSON.stringify(item)
		items.push(text)
		length += text.length + 1
		if (length < TEXT_LENGTH) continue
		yield `[${items.join()}]`
		items = []
		length = 0
	}
	if (items.length > 0) yield `[${items.join()}]`
}

function isPlainObject(value: unknown): value is object {
	return (
		typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
	)
}
