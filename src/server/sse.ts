/**
 * Streamed responses. Bytes are pulled by the socket, never pushed at it: a reader that stops
 * reading stops the pulling, and what waits for it stays in the engine's bounded queue.
 */

/** How a stream ended: whole, with an error, or because its reader left. */
export type StreamEnd = 'complete' | 'failed' | 'left'

/** Where a stream's bytes come from and who is told of its end. */
export interface StreamSource {
	/** What is ready to be sent, in turn. */
	readonly pieces: AsyncIterator<string>
	/** Bytes that stand in for the rest after an error; null cuts the connection. */
	fail(error: unknown): string | null
	/** Called once, however the stream ended. */
	closed(end: StreamEnd): void
}

/** Headers that keep proxies from buffering, caching or compressing a stream of events. */
export const eventStreamHeaders = {
	'content-type': 'text/event-stream; charset=utf-8',
	'cache-control': 'no-cache, no-transform',
	'x-accel-buffering': 'no',
} as const

const pingComment = ': ping\n\n'
const utf8 = new TextEncoder()

/** A stream of server-sent events with a comment whenever it has been silent for `pingMs`. */
export function eventStream(source: StreamSource, pingMs: number): ReadableStream<Uint8Array> {
	return streamOf(source, { text: pingComment, afterMs: pingMs })
}

/** A stream of plain text. */
export function plainStream(source: StreamSource): ReadableStream<Uint8Array> {
	return streamOf(source, null)
}

function streamOf(
	source: StreamSource,
	ping: { text: string; afterMs: number } | null,
): ReadableStream<Uint8Array> {
	let isWaiting = false
	let isClosed = false
	let lastWriteAt = performance.now()
	let timer: ReturnType<typeof setInterval> | null = null
	const close = (end: StreamEnd) => {
		if (isClosed) return
		isClosed = true
		if (timer !== null) clearInterval(timer)
		source.closed(end)
	}
	const write = (controller: ReadableStreamDefaultController<Uint8Array>, text: string) => {
		lastWriteAt = performance.now()
		controller.enqueue(utf8.encode(text))
	}
	return new ReadableStream<Uint8Array>(
		{
			start(controller) {
				if (ping === null) return
				timer = setInterval(() => {
					// Only while the socket asks for more: a blocked one must not queue comments.
					const isSilent = performance.now() - lastWriteAt >= ping.afterMs / 2
					const isRead = isWaiting && controller.desiredSize === 0
					if (isSilent && isRead) write(controller, ping.text)
				}, ping.afterMs / 2)
			},
			async pull(controller) {
				isWaiting = true
				try {
					const piece = await source.pieces.next()
					if (isClosed) return
					if (piece.done) {
						close('complete')
						controller.close()
					} else {
						write(controller, piece.value)
					}
				} catch (error) {
					if (isClosed) return
					close('failed')
					const last = source.fail(error)
					if (last === null) {
						controller.error(error)
					} else {
						controller.enqueue(utf8.encode(last))
						controller.close()
					}
				} finally {
					isWaiting = false
				}
			},
			cancel: () => close('left'),
		},
		{ highWaterMark: 0 },
	)
}
