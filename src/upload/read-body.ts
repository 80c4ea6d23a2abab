import { inSlicedPieces } from '../lib/steps.ts'
import { malformedRequest, requestTooLarge } from '../wire/errors.ts'
import { inflate, isGzip, isZstd } from './inflate.ts'
import type { ContentEncoding } from './upload-fields.ts'

export interface BodyLimits {
	/** As sent. */
	readonly bytesMax: number
	/** After decompression. */
	readonly inflatedBytesMax: number
	/** A sender that is silent for longer has gone. */
	readonly stallMs: number
}

/** A few kilobytes of zstd are many megabytes, which nobody may take apart in one go. */
const PIECE_BYTES_MAX = 2 ** 16

/**
 * The bytes of an upload, inflated on the way, in constant memory: each piece is valid until the next one is asked
 * for. Reads no faster than its consumer.
 * Throws ApiError when a limit is passed, the compression is broken, the sender goes away or `signal`
 * fires; leaving the loop early cancels the body.
 */
export async function* readBody(
	body: AsyncIterable<Uint8Array>,
	encoding: ContentEncoding,
	limits: BodyLimits,
	signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
	const sent = new Meter()
	const chunks = sent.count(live(body, limits.stallMs, signal), () => limits.bytesMax)
	const isPlain = encoding === 'identity'
	const bytes = isPlain ? chunks : inflateBounded(chunks, encoding, sent, limits.inflatedBytesMax)
	yield* inSlicedPieces(bytes, PIECE_BYTES_MAX)
}

/** Bytes that are on disk, inflated on the way where they begin like gzip or zstd. Throws likewise. */
export async function* readInflated(
	chunks: AsyncIterable<Uint8Array>,
	inflatedBytesMax: number,
): AsyncGenerator<Uint8Array> {
	const iterator = chunks[Symbol.asyncIterator]()
	const first = await iterator.next()
	const start = first.done ? new Uint8Array() : first.value
	const encoding = isGzip(start) ? 'gzip' : isZstd(start) ? 'zstd' : null
	const sent = new Meter()
	const all = sent.count(prepend(start, iterator), () => inflatedBytesMax)
	const bytes = encoding === null ? all : inflateBounded(all, encoding, sent, inflatedBytesMax)
	yield* inSlicedPieces(bytes, PIECE_BYTES_MAX)
}

async function* prepend(
	first: Uint8Array,
	rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
	try {
		yield first
		for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
	} finally {
		await rest.return?.()
	}
}

/** Passes chunks on until the sender falls silent or `signal` fires. */
async function* live(
	body: AsyncIterable<Uint8Array>,
	stallMs: number,
	signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
	const iterator = body[Symbol.asyncIterator]()
	try {
		for (;;) {
			const next = await nextBefore(iterator, stallMs, signal)
			if (next.done) return
			if (next.value.length > 0) yield next.value
		}
	} finally {
		// Not awaited: a sender that is silent would keep us waiting.
		void Promise.resolve(iterator.return?.()).catch(() => {})
	}
}

function nextBefore(
	iterator: AsyncIterator<Uint8Array>,
	stallMs: number,
	signal: AbortSignal,
): Promise<IteratorResult<Uint8Array>> {
	return new Promise((resolve, reject) => {
		const refuse = (problem: string) => finish(() => reject(malformedRequest(problem)))
		const onAbort = () => refuse('the upload was cut off')
		const timer = setTimeout(() => refuse('the sender fell silent'), stallMs)
		const finish = (settle: () => void) => {
			clearTimeout(timer)
			signal.removeEventListener('abort', onAbort)
			settle()
		}
		if (signal.aborted) {
			onAbort()
			return
		}
		signal.addEventListener('abort', onAbort)
		iterator.next().then(
			(result) => finish(() => resolve(result)),
			() => refuse('the sender went away'),
		)
	})
}

/** Counts bytes that pass by. */
class Meter {
	bytes = 0

	/** Throws ApiError 413 beyond the limit, which may grow meanwhile. */
	async *count(
		chunks: AsyncIterable<Uint8Array>,
		bytesMax: () => number,
	): AsyncGenerator<Uint8Array> {
		for await (const chunk of chunks) {
			this.bytes += chunk.length
			if (this.bytes > bytesMax()) throw requestTooLarge(bytesMax())
			yield chunk
		}
	}
}

/** Checkpoints shrink to a half or a tenth; what shrinks far more is made to cost. */
const INFLATION_MAX = 64

/** Any body may become so long: beginnings may be uniform. */
const INFLATED_BYTES_FREE = 2 ** 25

function inflateBounded(
	chunks: AsyncIterable<Uint8Array>,
	encoding: 'gzip' | 'zstd',
	sent: Meter,
	bytesMax: number,
): AsyncGenerator<Uint8Array> {
	return new Meter().count(inflate(chunks, encoding), () =>
		Math.min(bytesMax, INFLATED_BYTES_FREE + INFLATION_MAX * sent.bytes),
	)
}
