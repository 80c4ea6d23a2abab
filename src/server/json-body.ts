/** JSON request bodies: bounded, whatever the content type says as long as it is JSON, never coerced. */
import { type Static, type TObject, type TSchema, Type } from '@sinclair/typebox'
import { describeValue, isRecord } from '../lib/json.ts'
import { hasMoreThan, JSON_DEPTH_MAX, type JsonCounts, nesting } from '../lib/json-scan.ts'
import { inSlices, nextTurn, type Steps } from '../lib/steps.ts'
import { invalidJson, requestTooLarge, unsupportedMediaType } from '../wire/errors.ts'
import { foldedField } from '../wire/integer64.ts'
import type { BodyBytes } from './body-budget.ts'
import { letGo, SHORT_BYTES_MAX } from './garbage.ts'
import { typedQuery } from './query.ts'
import { dropAbsent, validator } from './validation.ts'

/** Reads the body of a request; `held` counts its bytes. Throws ApiError and Fault. */
export type BodyReader<T> = (request: Request, held?: BodyBytes) => Promise<T>

/**
 * A reader of JSON objects that drops what means "not given" and checks against `schema`. This is not
 * left to Elysia, whose error quotes the whole body with indentation: seconds for one that is nested deeply.
 */
export function bodyReader<T extends TSchema>(schema: T, bytesMax: number): BodyReader<Static<T>> {
	const check = validator(schema)
	function* checked(text: string, headers: Headers): Steps<Static<T>> {
		const body = yield* parseObject(text, headers)
		dropAbsent(schema, body)
		yield* foldIntegers(schema, body, text)
		yield
		check(body)
		return body as Static<T>
	}
	return (request, held) =>
		readChecked(request, bytesMax, held, (text) => checked(text, request.headers))
}

/** The same where parameters may be in the query instead, where they win; the body may be empty. */
export function overlaidBodyReader<T extends TObject>(
	schema: T,
	bytesMax: number,
): BodyReader<Static<T>> {
	const check = validator(schema)
	const checkPart = validator(Type.Partial(schema))
	function* checked(text: string, request: Request): Steps<Static<T>> {
		const body = text === '' ? {} : yield* parseObject(text, request.headers)
		dropAbsent(schema, body)
		checkPart(body)
		yield* foldIntegers(schema, body, text)
		yield
		const overlaid = { ...body, ...typedQuery(schema, request) }
		check(overlaid)
		return overlaid as Static<T>
	}
	return (request, held) => readChecked(request, bytesMax, held, (text) => checked(text, request))
}

/** What `check` makes of the text of a body: of long ones, one at a time. */
async function readChecked<T>(
	request: Request,
	bytesMax: number,
	held: BodyBytes | undefined,
	check: (text: string) => Steps<T>,
): Promise<T> {
	const body = await readPieces(request, bytesMax, held)
	if (typeof body === 'string') return await inSlices(check(body))
	using _turn = await held?.turn()
	return await inSlices(check(await textOf(body)))
}

/** Reads again what JSON.parse has rounded, in fields that take 64 bits. */
function* foldIntegers(schema: TSchema, body: Record<string, unknown>, json: string): Steps<void> {
	const fields: Record<string, TSchema> = schema['properties'] ?? {}
	for (const [name, field] of Object.entries(fields)) {
		if (field['x-integer64'] !== true || !Object.hasOwn(body, name)) continue
		const value = body[name]
		if (!Number.isInteger(value) || Number.isSafeInteger(value)) continue
		body[name] = (yield* foldedField(json, name)) ?? value
	}
}

/** What is parsed within some milliseconds, on the thread that serves sockets. */
const COUNTS_MAX: JsonCounts = { names: 2 ** 15, commas: 2 ** 18, backslashes: 2 ** 21 }

/** JSON.parse is one piece of work, so the others leave it a turn of its own. */
function* parseObject(text: string, headers: Headers): Steps<Record<string, unknown>> {
	if (text.trim() === '') throw invalidJson('it is empty')
	if (yield* nesting(text, JSON_DEPTH_MAX)) {
		throw invalidJson(`it nests more than ${JSON_DEPTH_MAX} arrays and objects`)
	}
	if (yield* hasMoreThan(text, COUNTS_MAX)) {
		const { names, commas, backslashes } = COUNTS_MAX
		const most = `${names} names of properties, ${commas} commas or ${backslashes} backslashes`
		throw invalidJson(`it has more than ${most}`)
	}
	yield
	let body: unknown
	try {
		body = JSON.parse(text)
	} catch {
		const contentType = headers.get('content-type') ?? ''
		if (contentType !== '' && !/json|text\/plain/i.test(contentType)) {
			throw unsupportedMediaType('application/json', contentType)
		}
		throw invalidJson('it cannot be parsed')
	}
	yield
	if (!isRecord(body)) throw invalidJson(`it is ${describeValue(body)}`)
	// JSON.parse makes this an own key; copying the body would turn it into a prototype.
	if (Object.hasOwn(body, '__proto__')) Reflect.deleteProperty(body, '__proto__')
	return body
}

/** The body as text; refuses content codings and stops reading at the limit. */
export async function readText(request: Request, bytesMax: number): Promise<string> {
	return textOf(await readPieces(request, bytesMax))
}

/** A body that has arrived. A short one is text: it is read at once, where a long one counts as it arrives. */
type Pieces = string | readonly Uint8Array[]

async function readPieces(request: Request, bytesMax: number, held?: BodyBytes): Promise<Pieces> {
	checkHeaders(request.headers)
	const declared = request.headers.get('content-length')
	if (declared !== null && Number(declared) > bytesMax) throw requestTooLarge(bytesMax)
	if (declared !== null && Number(declared) <= SHORT_BYTES_MAX) {
		held?.take(Number(declared))
		return request.text()
	}
	const pieces: Uint8Array[] = []
	try {
		for await (const piece of bodyPieces(request, bytesMax)) {
			pieces.push(piece)
			held?.take(piece.byteLength)
		}
	} catch (error) {
		for (const piece of pieces) letGo(piece)
		throw error
	}
	return pieces
}

/** The body as it arrives, checked likewise. */
export async function* bodyPieces(
	request: Request,
	bytesMax: number,
): AsyncGenerator<Uint8Array, void> {
	checkHeaders(request.headers)
	const declared = request.headers.get('content-length')
	if (declared !== null && Number(declared) > bytesMax) throw requestTooLarge(bytesMax)
	if (request.body === null) return
	const reader = request.body.getReader()
	let bytes = 0
	try {
		for (let next = await reader.read(); !next.done; next = await reader.read()) {
			bytes += next.value.byteLength
			if (bytes > bytesMax) throw requestTooLarge(bytesMax)
			yield next.value
		}
	} finally {
		// Not awaited: the body of a request that was copied is never done with it.
		reader.cancel().catch(() => {})
	}
}

/**
 * Each stage takes some milliseconds of a long body, and gives back what it was made of; decoded piece by
 * piece a text that is not Latin takes six times as long.
 */
async function textOf(body: Pieces): Promise<string> {
	if (typeof body === 'string') return body
	const bytes = Buffer.concat(body)
	for (const piece of body) letGo(piece)
	await nextTurn()
	const text = new TextDecoder().decode(bytes)
	letGo(bytes)
	await nextTurn()
	return text
}

function checkHeaders(headers: Headers): void {
	const coding = headers.get('content-encoding') ?? 'identity'
	if (coding.toLowerCase() !== 'identity') {
		throw unsupportedMediaType('no Content-Encoding', coding)
	}
	// A page of another site may send these without asking first, and is not to be believed.
	if (headers.get('sec-fetch-site') !== 'cross-site') return
	const type = headers.get('content-type') ?? ''
	const isSimple = /^(text\/plain|application\/x-www-form-urlencoded|multipart\/form-data)/i
	// A Blob without a type goes without one; so does a POST without a body.
	const isUntyped = type === '' && headers.get('content-length') !== '0'
	if (isUntyped || isSimple.test(type)) throw unsupportedMediaType('application/json', type)
}
