/** A finished request as spans of OTLP, with the names of OpenTelemetry's HTTP and GenAI conventions. */
import type { RequestRecord } from './request-record.ts'
import { randomHex, type TraceContext } from './trace-context.ts'

/** A span as OTLP has it in JSON, where 64-bit numbers are texts. */
export interface Span {
	readonly traceId: string
	readonly spanId: string
	readonly parentSpanId?: string
	readonly traceState?: string
	readonly name: string
	readonly kind: number
	readonly startTimeUnixNano: string
	readonly endTimeUnixNano: string
	readonly attributes: readonly Attribute[]
	readonly status: { readonly code?: number }
}

export interface Attribute {
	readonly key: string
	readonly value: AttributeValue
}

type AttributeValue =
	| { readonly stringValue: string }
	| { readonly intValue: string }
	| { readonly doubleValue: number }
	| { readonly arrayValue: { readonly values: readonly AttributeValue[] } }

const KIND_INTERNAL = 1
const KIND_SERVER = 2
const STATUS_ERROR = 2

/** What is known of a request beside its record. */
export interface RequestFacts {
	readonly method: string
	readonly route: string
	readonly path: string
	readonly status: number
	readonly client: string
	readonly requestId: string | null
}

/** The request's span, and below it those of its parts: queue, prefill, decode. `endedAt` as in the record. */
export function spansOf(
	record: RequestRecord,
	trace: TraceContext,
	facts: RequestFacts,
	endedAt: number,
): Span[] {
	const { model } = record
	const operation = model === null ? null : operationOf(facts.route)
	const isError = facts.status >= 500 || record.leftFirst === 'server'
	const own = {
		'http.request.method': facts.method,
		'http.route': facts.route,
		'url.path': facts.path,
		'http.response.status_code': facts.status,
		'client.address': facts.client,
		'alpha.request.id': facts.requestId,
		'error.type': isError ? String(facts.status) : null,
		'alpha.left_first': record.leftFirst,
	}
	const root: Span = {
		...common(trace, record.startedAt, endedAt),
		spanId: trace.spanId,
		...(trace.parentSpanId === null ? {} : { parentSpanId: trace.parentSpanId }),
		...(trace.traceState === '' ? {} : { traceState: trace.traceState }),
		name: model === null ? `${facts.method} ${facts.route}` : `${operation} ${model}`,
		kind: KIND_SERVER,
		attributes: attributes({
			...own,
			...(operation === null ? {} : generation(record, operation)),
		}),
		status: isError ? { code: STATUS_ERROR } : {},
	}
	const part = (name: string, from: number, to: number): Span[] => {
		if (from === 0 || to === 0) return []
		return [
			{
				...common(trace, from, to),
				spanId: randomHex(8),
				parentSpanId: trace.spanId,
				name,
				kind: KIND_INTERNAL,
				attributes: [],
				status: {},
			},
		]
	}
	return [
		root,
		...part('queue', record.queuedAt, record.placedAt),
		...part('prefill', record.placedAt, record.firstTokenAt),
		...part('decode', record.firstTokenAt, record.lastTokenAt),
	]
}

/** `gen_ai.operation.name`. */
function operationOf(route: string): string {
	if (/chat|responses/.test(route)) return 'chat'
	return route.includes('embeddings') ? 'embeddings' : 'text_completion'
}

function generation(record: RequestRecord, operation: string): Attributes {
	const { model, queuedAt, placedAt, firstTokenAt, lastTokenAt } = record
	const seconds = (from: number, to: number) => (from === 0 || to === 0 ? null : (to - from) / 1000)
	return {
		'gen_ai.operation.name': operation,
		'gen_ai.provider.name': 'alpha',
		'gen_ai.request.model': model,
		'gen_ai.response.model': model,
		'gen_ai.response.finish_reasons': [...record.finishReasons],
		'gen_ai.usage.input_tokens': record.promptTokens,
		'gen_ai.usage.cache_read.input_tokens': record.cachedTokens,
		'gen_ai.usage.output_tokens': record.completionTokens,
		// The names that vLLM has for them; fractions even where they are whole.
		'gen_ai.latency.time_in_queue': double(seconds(queuedAt, placedAt)),
		'gen_ai.latency.time_to_first_token': double(seconds(queuedAt, firstTokenAt)),
		'gen_ai.latency.time_in_model_prefill': double(seconds(placedAt, firstTokenAt)),
		'gen_ai.latency.time_in_model_decode': double(seconds(firstTokenAt, lastTokenAt)),
	}
}

type Attributes = Readonly<
	Record<string, string | number | readonly string[] | { readonly double: number } | null>
>

function double(value: number | null): { readonly double: number } | null {
	return value === null ? null : { double: value }
}

/** Those that have a value. */
export function attributes(values: Attributes): Attribute[] {
	return Object.entries(values).flatMap(([key, value]) => {
		if (value === null || (Array.isArray(value) && value.length === 0)) return []
		return [{ key, value: toValue(value as NonNullable<Attributes[string]>) }]
	})
}

function toValue(value: NonNullable<Attributes[string]>): AttributeValue {
	if (typeof value === 'string') return { stringValue: value }
	if (typeof value === 'number') return { intValue: String(value) }
	if ('double' in value) return { doubleValue: value.double }
	return { arrayValue: { values: value.map((stringValue) => ({ stringValue })) } }
}

function common({ traceId }: TraceContext, from: number, to: number) {
	return { traceId, startTimeUnixNano: unixNano(from), endTimeUnixNano: unixNano(to) }
}

/** A time of `performance.now()` since 1970, to the microsecond. */
function unixNano(at: number): string {
	return String(BigInt(Math.round((performance.timeOrigin + at) * 1000)) * 1000n)
}
