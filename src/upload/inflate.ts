/** Decompression of uploads. */
import { malformedRequest } from '../wire/errors.ts'

export function isGzip(bytes: Uint8Array): boolean {
	return bytes[0] === 0x1f && bytes[1] === 0x8b
}

export function isZstd(bytes: Uint8Array): boolean {
	return bytes[0] === 0x28 && bytes[1] === 0xb5
}

/** Largest window that a coding of HTTP may ask of a decoder, bytes (RFC 9659): it holds as much memory. */
const ZSTD_WINDOW_BYTES_MAX = 2 ** 23
/** Longest header of a frame up to its last field, with its magic number. */
const ZSTD_HEADER_BYTES = 18

/** The bytes that were compressed; each piece is valid until the next one is asked for. Throws ApiError 400. */
export async function* inflate(
	chunks: AsyncIterable<Uint8Array>,
	encoding: 'gzip' | 'zstd',
): AsyncGenerator<Uint8Array> {
	// Bun knows zstd, the type of the standard does not yet.
	const stream = new DecompressionStream(encoding as CompressionFormat)
	const writer = stream.writable.getWriter()
	const reader = stream.readable.getReader()
	const feeding = feed(encoding === 'zstd' ? withSmallWindow(chunks) : chunks, writer)
	// The reader below sees the same failure; this keeps it from being reported as unhandled.
	feeding.catch(() => {})
	try {
		for (;;) {
			const next = await reader.read()
			if (next.done) break
			yield next.value
			// Left to the collector, some hundred of them would pile up.
			next.value.buffer.transfer(0)
		}
	} catch (error) {
		if (error instanceof FeedError) throw error.cause
		throw malformedRequest(`the body is not valid ${encoding}`)
	} finally {
		void reader.cancel().catch(() => {})
		void writer.abort().catch(() => {})
	}
}

/** The same chunks, whose first frame needs no larger window than decoders must have. Throws ApiError 400. */
async function* withSmallWindow(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
	let start: Uint8Array | null = new Uint8Array()
	for await (const chunk of chunks) {
		if (start === null) {
			yield chunk
			continue
		}
		start = Buffer.concat([start, chunk])
		if (start.length < ZSTD_HEADER_BYTES) continue
		expectSmallWindow(start)
		yield start
		start = null
	}
	if (start !== null) yield start
}

function expectSmallWindow(header: Uint8Array): void {
	if (!isZstd(header)) return
	const bytes = zstdWindowBytes(header)
	if (bytes <= ZSTD_WINDOW_BYTES_MAX) return
	const expected = `a zstd window of at most ${ZSTD_WINDOW_BYTES_MAX} bytes`
	throw malformedRequest(`expected ${expected}, got one of ${bytes}`)
}

/** Of a whole header of a frame (RFC 8878, 3.1.1.1). */
function zstdWindowBytes(header: Uint8Array): number {
	const view = new DataView(header.buffer, header.byteOffset)
	const descriptor = view.getUint8(4)
	const isSingleSegment = (descriptor & 0x20) !== 0
	if (!isSingleSegment) {
		const window = view.getUint8(5)
		const base = 2 ** (10 + (window >> 3))
		return base + (base / 8) * (window & 7)
	}
	// Then the window is the whole content.
	const at = 5 + [0, 1, 2, 4][descriptor & 3]!
	switch (descriptor >> 6) {
		case 0:
			return view.getUint8(at)
		case 1:
			return view.getUint16(at, true) + 256
		case 2:
			return view.getUint32(at, true)
		default:
			return Number(view.getBigUint64(at, true))
	}
}

/** A failure of the sender's side, told apart from one of the decompression. */
class FeedError extends Error {
	override readonly name = 'FeedError'
}

async function feed(
	chunks: AsyncIterable<Uint8Array>,
	writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>,
): Promise<void> {
	try {
		for await (const chunk of chunks) {
			// The types ask for unshared memory, which a request body is.
			await writer.write(chunk as Uint8Array<ArrayBuffer>)
		}
	} catch (cause) {
		await writer.abort(new FeedError('the sender failed', { cause }))
		return
	}
	await writer.close()
}
