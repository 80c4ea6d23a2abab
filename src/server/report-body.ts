/** Bodies of reports from trainers: short ones are parsed at once, long ones item by item while they arrive. */
import { parseReport, parseReportValue } from '../alpha/ingest.ts'
import { OPEN_BRACKET } from '../checkpoint/formats/json-bytes.ts'
import { nextTurn } from '../lib/steps.ts'
import type { JsonObject } from '../runs/report.ts'
import { JsonListSplitter } from '../upload/json-list-splitter.ts'
import {
	JsonObjectSplitter,
	JsonSyntaxError,
	type ValuePiece,
} from '../upload/json-object-splitter.ts'
import { invalidJson } from '../wire/errors.ts'
import { bodyPieces, readText } from './json-body.ts'

/** What is parsed at once, in some milliseconds. */
const AT_ONCE_BYTES_MAX = 2 ** 20
/** Longest value of a field, or item of its list, that is read: no line of a run's files is longer. */
const VALUE_BYTES_MAX = 2 ** 20
/** Bytes that are taken apart between two turns. */
const PIECE_BYTES = 2 ** 16

/** The body of a report as an object; of one that is long, values and items of more than 1 MiB are null. Throws ApiError. */
export async function readReport(request: Request, bytesMax: number): Promise<JsonObject> {
	const declared = request.headers.get('content-length')
	if (declared !== null && Number(declared) <= AT_ONCE_BYTES_MAX) {
		return parseReport(await readText(request, bytesMax))
	}
	const report = new ReportReader()
	for await (const bytes of bodyPieces(request, bytesMax)) {
		for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
			report.push(bytes.subarray(from, from + PIECE_BYTES))
			await nextTurn()
		}
	}
	return report.end()
}

class ReportReader {
	readonly #splitter = new JsonObjectSplitter()
	readonly #fields = new Map<string, unknown>()
	/** The value that is arriving. */
	#value: ListReader | PlainReader | null = null

	push(bytes: Uint8Array): void {
		this.#parsing(() => {
			for (const piece of this.#splitter.push(bytes)) this.#take(piece)
		})
	}

	end(): JsonObject {
		this.#parsing(() => this.#splitter.end())
		return Object.fromEntries(this.#fields)
	}

	#take({ key, bytes, isLast }: ValuePiece): void {
		this.#value ??= bytes[0] === OPEN_BRACKET ? new ListReader() : new PlainReader()
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
	readonly #items: unknown[] = []

	push(bytes: Uint8Array): void {
		for (const item of this.#splitter.push(bytes)) {
			this.#items.push(item && parseReportValue(item.toString()))
		}
	}

	end(): unknown {
		this.#splitter.end()
		return this.#items
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
