/** Bodies of reports from trainers: short ones are parsed at once, long ones item by item while they arrive. */
import { parseReport, parseReportValue } from '../alpha/ingest.ts'
import { OPEN_BRACKET } from '../checkpoint/formats/json-bytes.ts'
import { nextTurn } from '../lib/steps.ts'
import type { ReportSize } from '../runs/repeats.ts'
import type { JsonObject } from '../runs/report.ts'
import { type ItemRun, JsonListSplitter } from '../upload/json-list-splitter.ts'
import {
	JsonObjectSplitter,
	JsonSyntaxError,
	type ValuePiece,
} from '../upload/json-object-splitter.ts'
import { invalidJson } from '../wire/errors.ts'
import type { Garbage } from './garbage.ts'
import { bodyPieces, readText } from './json-body.ts'

/** What is parsed at once, in some milliseconds. */
const AT_ONCE_BYTES_MAX = 2 ** 20
/** Longest value of a field, or item of its list, that is read: no line of a run's files is longer. */
const VALUE_BYTES_MAX = 2 ** 20
/** Bytes that are taken apart between two turns. */
const PIECE_BYTES = 2 ** 16

/** Text of a list that is checked at once, characters. */
const CHUNK_LENGTH = 2 ** 16
/** What is left of an item that was checked or stored: a multiple of its text, and what the shortest one takes. */
const TEXT_FACTOR = 4
const ITEM_BYTES = 1024
/** Lists whose items can come in several reports, and how many of them stand in one. */
const SPLITTABLE: ReadonlySet<string> = new Set(['metrics', 'events', 'event'])
const PART_ITEMS = 2000

type Field = readonly [name: string, value: unknown]

export interface ReportBody {
	readonly bytes: number
	/** The report as one object or, where a list is very long, several that each have some of it. */
	readonly parts: AsyncIterable<JsonObject>
	/** Of a report in several parts. */
	readonly size: ReportSize | undefined
}

/**
 * The body of a report, all of which has been checked when this resolves. In a long one, values and items of more
 * than 1 MiB are null. Throws ApiError.
 */
export async function readReport(
	request: Request,
	bytesMax: number,
	garbage: Garbage,
): Promise<ReportBody> {
	const declared = request.headers.get('content-length')
	if (declared !== null && Number(declared) <= AT_ONCE_BYTES_MAX) {
		const text = await readText(request, bytesMax)
		return reportOf(Object.entries(parseReport(text)), Buffer.byteLength(text))
	}
	const report = new ReportReader(garbage)
	let sizeBytes = 0
	for await (const bytes of bodyPieces(request, bytesMax)) {
		sizeBytes += bytes.length
		for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
			report.push(bytes.subarray(from, from + PIECE_BYTES))
			await nextTurn()
			await garbage.makeRoom(sizeBytes)
		}
	}
	return reportOf([...report.end()], sizeBytes)
}

function reportOf(fields: readonly Field[], bytes: number): ReportBody {
	const lengths = fields.map(([, value]) => (isList(value) ? value.length : 0))
	const items = Math.max(0, ...lengths)
	return {
		bytes,
		parts: reportParts(fields),
		size: items > PART_ITEMS ? { bytes, items } : undefined,
	}
}

async function* reportParts(fields: readonly Field[]): AsyncGenerator<JsonObject> {
	const report: Record<string, unknown> = {}
	let split: { readonly name: string; readonly list: LongList | readonly unknown[] } | null = null
	for (const [name, value] of fields) {
		if (split === null && SPLITTABLE.has(name) && isList(value) && value.length > PART_ITEMS) {
			split = { name, list: value }
		} else report[name] = value instanceof LongList ? await value.all() : value
	}
	if (split === null) {
		yield report
		return
	}
	const { name, list } = split
	const parts = list instanceof LongList ? list.parts(PART_ITEMS) : slices(list, PART_ITEMS)
	for await (const items of parts) yield { ...report, [name]: items }
}

function isList(value: unknown): value is LongList | readonly unknown[] {
	return value instanceof LongList || Array.isArray(value)
}

function* slices(list: readonly unknown[], length: number): Generator<readonly unknown[]> {
	for (let from = 0; from < list.length; from += length) yield list.slice(from, from + length)
}

class ReportReader {
	readonly #garbage: Garbage
	readonly #splitter = new JsonObjectSplitter()
	readonly #fields = new Map<string, unknown>()
	/** The value that is arriving. */
	#value: ListReader | PlainReader | null = null

	constructor(garbage: Garbage) {
		this.#garbage = garbage
	}

	push(bytes: Uint8Array): void {
		this.#parsing(() => {
			for (const piece of this.#splitter.push(bytes)) this.#take(piece)
		})
	}

	/** By name; lists are a `LongList`. */
	end(): ReadonlyMap<string, unknown> {
		this.#parsing(() => this.#splitter.end())
		return this.#fields
	}

	#take({ key, bytes, isLast }: ValuePiece): void {
		this.#value ??= bytes[0] === OPEN_BRACKET ? new ListReader(this.#garbage) : new PlainReader()
		this.#value.push(bytes)
		if (!isLast) return
		this.#fields.set(key, this.#value.end())
		this.#value = null
	}

	#parsing(work: () => void): void {
		try {
			work()
		} catch (error) {
			throw error instanceof JsonSyntaxError ? invalidJson(error.message) : error
		}
	}
}

class ListReader {
	readonly #splitter = new JsonListSplitter(VALUE_BYTES_MAX)
	readonly #list: LongList

	constructor(garbage: Garbage) {
		this.#list = new LongList(garbage)
	}

	push(bytes: Uint8Array): void {
		for (const run of this.#splitter.push(bytes)) this.#list.add(run)
	}

	end(): LongList {
		this.#splitter.end()
		this.#list.end()
		return this.#list
	}
}

/** A list as checked text, of which little is there as values at a time. */
class LongList {
	readonly #garbage: Garbage
	/** JSON arrays. */
	readonly #chunks: string[] = []
	#runs: string[] = []
	#runsLength = 0
	#length = 0

	constructor(garbage: Garbage) {
		this.#garbage = garbage
	}

	get length(): number {
		return this.#length
	}

	/** Throws ApiError, here or for a later item. */
	add({ bytes, count }: ItemRun): void {
		const text = bytes.toString()
		this.#runs.push(text)
		this.#runsLength += text.length
		this.#length += count
		if (this.#runsLength >= CHUNK_LENGTH) this.end()
	}

	/** Checks what has been added. */
	end(): void {
		const chunk = `[${this.#runs.join(',')}]`
		this.#parse(chunk)
		this.#chunks.push(chunk)
		this.#runs = []
		this.#runsLength = 0
	}

	async all(): Promise<unknown[]> {
		for await (const items of this.parts(Number.POSITIVE_INFINITY)) return items
		return []
	}

	/** Its items, at most so many at a time; an empty list has no parts. */
	async *parts(itemsMax: number): AsyncGenerator<unknown[]> {
		let items: unknown[] = []
		for (const chunk of this.#chunks) {
			await nextTurn()
			await this.#garbage.makeRoom(chunk.length * TEXT_FACTOR)
			items = items.concat(this.#parse(chunk))
			while (items.length >= itemsMax) {
				yield items.slice(0, itemsMax)
				items = items.slice(itemsMax)
			}
		}
		if (items.length > 0) yield items
	}

	#parse(chunk: string): unknown[] {
		const items = parseReportValue(chunk) as unknown[]
		const bytes = chunk.length * TEXT_FACTOR + items.length * ITEM_BYTES
		this.#garbage.add(bytes)
		return items
	}
}

class PlainReader {
	readonly #parts: Uint8Array[] = []
	#length = 0

	push(bytes: Uint8Array): void {
		this.#length += bytes.length
		// The piece is valid until the next one comes.
		if (this.#length <= VALUE_BYTES_MAX) this.#parts.push(Buffer.from(bytes))
	}

	end(): unknown {
		if (this.#length > VALUE_BYTES_MAX) return null
		return parseReportValue(Buffer.concat(this.#parts).toString())
	}
}
