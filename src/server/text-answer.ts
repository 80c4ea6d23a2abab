/** How a text session becomes an HTTP answer: in one object, as a stream of events, or as bare text. */
import { inSlices } from '../lib/steps.ts'
import type { TextEvent, TextResult } from '../text/text-events.ts'
import type { ApiError } from '../wire/errors.ts'
import type { StreamFormat } from '../wire/stream-format.ts'
import type { ServerContext } from './deps.ts'
import { clientClosedRequest, toApiError } from './error-handler.ts'
import { answerJson } from './json-answer.ts'
import { eventStream, eventStreamHeaders, plainStream } from './sse.ts'
import type { TextSession } from './text-session.ts'

/** Answers HEAD without generating what nobody would read: of an unknown length, as the stream itself is. */
export function headResponse(contentType: string): Response {
	return new Response(null, {
		headers: {
			'content-type': contentType,
			'cache-control': 'no-store',
			'transfer-encoding': 'chunked',
		},
	})
}

/** Runs the session to its end and answers with one JSON object, of what `jsonText` takes; a long one leaves while it is made. */
export async function answerWhole(
	session: TextSession,
	toBody: (results: TextResult[]) => unknown | Promise<unknown>,
): Promise<Response> {
	const { context, request } = session
	using open = new DisposableStack()
	open.defer(() => session.close())
	const results = await context.connections.withoutIdleTimeout(request, () => session.results())
	if (results === null) return clientClosedRequest()
	const body = await toBody(results)
	return answerJson(context, request, body, { headers: sessionHeaders(session), held: open.move() })
}

/** Answers with server-sent events; the headers go out before the prompt has been read. */
export function answerStream(session: TextSession, format: StreamFormat): Response {
	const { context, request } = session
	context.connections.timeReader(request)
	const record = context.records.of(request)
	record.hold()
	const stream = eventStream(
		{
			pieces: frames(session, format),
			fail: (error) => {
				const fault = toApiError(error)
				logFailure(context, fault)
				return format.fail(fault)
			},
			closed: (end) => {
				session.close()
				context.connections.rest(request)
				record.over(end)
			},
		},
		context.limits.pingMs,
	)
	return new Response(stream, { headers: { ...eventStreamHeaders, ...sessionHeaders(session) } })
}

/** Says how much of a prompt was cut off, if any. */
function sessionHeaders(session: TextSession): Record<string, string> {
	const tokens = session.truncatedTokens
	return tokens === 0 ? {} : { 'x-alpha-truncated-prompt-tokens': String(tokens) }
}

async function* frames(session: TextSession, format: StreamFormat): AsyncGenerator<string, void> {
	const opening = format.open()
	if (opening !== '') yield opening
	for await (const events of session.batches()) {
		const ready = await join(events, format)
		if (ready !== '') yield ready
	}
	const closing = format.close()
	yield typeof closing === 'string' ? closing : await inSlices(closing)
}

async function join(events: readonly TextEvent[], format: StreamFormat): Promise<string> {
	let text = ''
	for (const event of events) {
		if (event.type !== 'prompt') {
			text += format.event(event)
			continue
		}
		const steps = format.prompt(event)
		if (steps !== null) text += await inSlices(steps)
	}
	return text
}

/** Answers with the bare text; an error in mid-stream cuts the connection, a clean end means success. */
export function answerText(session: TextSession): Response {
	const record = session.context.records.of(session.request)
	record.hold()
	const stream = plainStream({
		pieces: texts(session),
		fail: (error) => {
			logFailure(session.context, toApiError(error))
			return null
		},
		closed: (end) => {
			session.close()
			record.over(end)
		},
	})
	const headers = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-cache' }
	return new Response(stream, { headers: { ...headers, ...sessionHeaders(session) } })
}

/** Plain text knows no pings: only the reader is timed, not the model, which may be busy elsewhere. */
async function* texts(session: TextSession): AsyncGenerator<string, void> {
	const { request } = session
	const { connections } = session.context
	connections.suspendTimeout(request)
	for await (const events of session.batches()) {
		let text = ''
		for (const event of events) if (event.type === 'text') text += event.text
		if (text === '') continue
		connections.timeReader(request)
		yield text
		connections.suspendTimeout(request)
	}
	connections.rest(request)
}

function logFailure(context: ServerContext, fault: ApiError): void {
	context.log('error', 'stream failed', { cause: String(fault.cause ?? fault.message) })
}
