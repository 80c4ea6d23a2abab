import type { TokenEvent, TokenLogprob } from './generation.ts'

/** What unread events of one stream may take before it is parked, in bytes of our memory. */
const STREAM_BYTES_MAX = 256 * 1024
/** The same when all streams together have much unread. */
const SHORT_STREAM_BYTES_MAX = 16 * 1024
const EVENT_BYTES = 96
/** Of a token that waits, as a number among others. */
const WAITING_TOKEN_BYTES = 8
const LOGPROB_BYTES = 96
const ALTERNATIVE_BYTES = 48

/** A stream whose reader may be slow. */
export interface UnreadStream {
	/** What its unread events take, in bytes. */
	readonly unreadBytes: number
	/** Drops what is unread; its reader gets an error. */
	cut(): void
}

/**
 * Events that no reader has taken yet, of all streams together. Generation runs ahead of its readers, but
 * only so far: a stream with too much unread is parked until it is read, and beyond the limit of all
 * it is cut.
 */
export class Backlog {
	readonly #bytesMax: number
	readonly #onCut: (bytes: number) => void
	readonly #streams = new Set<UnreadStream>()
	#bytes = 0
	/** Streams that were parked, and those that were cut. */
	parkedTotal = 0
	cutTotal = 0

	/** `bytesMax`: of all streams together. `onCut` hears how much was dropped. */
	constructor(bytesMax: number, onCut: (bytes: number) => void) {
		this.#bytesMax = bytesMax
		this.#onCut = onCut
	}

	/** Has to be left when the stream's reader has gone. */
	join(stream: UnreadStream): void {
		this.#streams.add(stream)
	}

	leave(stream: UnreadStream): void {
		this.#streams.delete(stream)
	}

	get bytes(): number {
		return this.#bytes
	}

	/** Counts bytes that wait, or negative ones that do not any more; cuts who has most when it is too much. */
	add(bytes: number): void {
		this.#bytes += bytes
		while (this.#bytes > this.#bytesMax) {
			const [first, ...others] = this.#streams
			if (first === undefined) return
			const largest = others.reduce((a, b) => (b.unreadBytes > a.unreadBytes ? b : a), first)
			if (largest.unreadBytes === 0) return
			this.cutTotal++
			this.#onCut(largest.unreadBytes)
			largest.cut()
		}
	}

	/** Whether a stream with so much unread has to wait for its reader. */
	isTooFarAhead(bytes: number): boolean {
		const isShort = this.#bytes > this.#bytesMax / 2
		return bytes > (isShort ? SHORT_STREAM_BYTES_MAX : STREAM_BYTES_MAX)
	}

	/** Whether a parked stream may go on. */
	isRead(bytes: number): boolean {
		return bytes <= SHORT_STREAM_BYTES_MAX / 2
	}
}

/** What an event takes of our memory while it waits in an `EventQueue`, in bytes. */
export function waitingBytes(event: TokenEvent): number {
	const isBare = event.type === 'token' && event.logprob === undefined
	return isBare ? WAITING_TOKEN_BYTES : eventBytes(event)
}

/** What it takes by itself, in bytes. */
export function eventBytes(event: TokenEvent): number {
	switch (event.type) {
		case 'prompt':
			return (event.logprobs ?? []).reduce((sum, each) => sum + logprobBytes(each), EVENT_BYTES)
		case 'token':
			return EVENT_BYTES + logprobBytes(event.logprob ?? null)
		case 'finish':
			return EVENT_BYTES
	}
}

function logprobBytes(logprob: TokenLogprob | null): number {
	return logprob === null ? 0 : LOGPROB_BYTES + logprob.top.length * ALTERNATIVE_BYTES
}
