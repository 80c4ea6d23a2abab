/** JSON answers of any length: a long one leaves while it is made, and others have their turns meanwhile. */
import { jsonPieces } from '../lib/json-text.ts'
import { nextTurn } from '../lib/steps.ts'
import { takesGzip } from './compression.ts'
import type { ServerContext } from './deps.ts'
import { toApiError } from './error-handler.ts'
import { plainStream } from './sse.ts'

/** Characters of an answer that are made at once. */
const PIECE_LENGTH = 64 * 1024

export interface JsonAnswerOptions {
	readonly headers?: Readonly<Record<string, string>>
	/** Disposed of when the answer has left, or was given to the server whole. */
	readonly held?: DisposableStack
}

/** Answers with what `jsonText` takes. */
export function answerJson(
	{ connections, log, records }: Pick<ServerContext, 'connections' | 'log' | 'records'>,
	request: Request,
	value: unknown,
	{ headers: moreHeaders = {}, held }: JsonAnswerOptions = {},
): Response {
	const headers = new Headers({ 'content-type': 'application/json;charset=utf-8', ...moreHeaders })
	using open = held
	const pieces = jsonPieces(value, PIECE_LENGTH)
	const first = pieces.next().value ?? ''
	const second = pieces.next()
	if (second.done) return new Response(first, { headers })
	connections.timeReader(request)
	const record = records.of(request)
	record.hold()
	const leaving = open?.move()
	const stream = plainStream({
		pieces: inTurns([first, second.value], pieces),
		fail: (error) => {
			const fault = toApiError(error)
			log('error', 'stream failed', { cause: String(fault.cause ?? fault.message) })
			return null
		},
		closed: (end) => {
			leaving?.dispose()
			connections.rest(request)
			record.over(end)
		},
	})
	return packed(request, stream, headers)
}

/** A long answer is packed as it leaves: whole, it would be there several times. */
function packed(request: Request, stream: ReadableStream<Uint8Array>, headers: Headers): Response {
	if (!takesGzip(request)) return new Response(stream, { headers })
	headers.append('vary', 'accept-encoding')
	headers.set('content-encoding', 'gzip')
	const gzip = new CompressionStream('gzip') as ReadableWritablePair<Uint8Array, Uint8Array>
	return new Response(stream.pipeThrough(gzip), { headers })
}

/** What is there, and what others leave time for. */
async function* inTurns(
	ready: readonly string[],
	rest: Iterable<string>,
): AsyncGenerator<string, void> {
	yield* ready
	for (const piece of rest) {
		yield piece
		await nextTurn()
	}
}
