/** Which trace a request belongs to: W3C Trace Context. */

export interface TraceContext {
	/** 32 hexadecimal digits. */
	readonly traceId: string
	/** Of the request's own span, 16 hexadecimal digits. */
	readonly spanId: string
	/** Of the span that asked; null when the trace begins here. */
	readonly parentSpanId: string | null
	/** What the asking systems hand on; '' for nothing. */
	readonly traceState: string
	/** Whether its spans are kept. */
	readonly isSampled: boolean
}

/** Longest `tracestate` that is handed on, in characters, as the specification has it. */
const TRACE_STATE_LENGTH_MAX = 512

/**
 * The context of a request. Its sender has decided whether the trace is kept; of traces that begin here
 * `share` is, 0 … 1. What is not as the specification has it is as good as nothing.
 */
export function traceContextOf(headers: Headers, share: number): TraceContext {
	const spanId = randomHex(8)
	const parent = parseTraceParent(headers.get('traceparent') ?? '')
	if (parent === null) {
		const isSampled = Math.random() < share
		return { traceId: randomHex(16), spanId, parentSpanId: null, traceState: '', isSampled }
	}
	const traceState = headers.get('tracestate') ?? ''
	return {
		...parent,
		spanId,
		traceState: traceState.length > TRACE_STATE_LENGTH_MAX ? '' : traceState,
	}
}

function parseTraceParent(text: string) {
	const [, version, traceId, parentSpanId, flags, more] =
		/^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(text) ?? []
	if (traceId === undefined || parentSpanId === undefined || version === 'ff') return null
	// Later versions may have more behind it, ours has not.
	if (version === '00' && more !== undefined) return null
	if (/^0+$/.test(traceId) || /^0+$/.test(parentSpanId)) return null
	return { traceId, parentSpanId, isSampled: (Number.parseInt(flags ?? '0', 16) & 1) === 1 }
}

export function randomHex(bytes: number): string {
	return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('hex')
}
