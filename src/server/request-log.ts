import type { ServerContext } from './deps.ts'
import { RepeatFilter } from './repeat-filter.ts'
import type { RequestRecord } from './request-record.ts'
import { requestPath } from './request-rules.ts'
import type { RouteTable } from './route-table.ts'
import { spansOf } from './spans.ts'
import { traceContextOf } from './trace-context.ts'
import { type Answer, wrapper } from './wrapper.ts'

/** Asked for every few seconds by machines: not worth a line. */
const unloggedPaths = new Set([
	'/health',
	'/v1/health',
	'/healthz',
	'/readyz',
	'/livez',
	'/startupz',
	'/ping',
	'/metrics',
])

/** Asked for by trainers at every step: only what fails is worth a line. */
const reportPaths = new Set(['/api/ingest', '/api/upload/chunk'])

/** What a client may be told thousands of times a second. */
const refusals = new Set([401, 403, 429, 503])

/** Lines a minute about what cost no computing: of one client and one kind, and of all. Of refusals it is one. */
const CHEAP_LINES_MAX = 100
const ALL_CHEAP_LINES_MAX = 6000

/** Longest part of a path that is shown, in characters. */
const PATH_SHOWN_MAX = 256

/**
 * Counts every request, and writes a line for those that people make when the last byte of the answer has
 * left, and its spans for who traces. Never what was in them. What computes has a line each time; what could be asked thousands of times a
 * second has some, with the number of those that were left out.
 */
export function requestLog(context: ServerContext, table: RouteTable) {
	const { log, metrics, records, clients, tracing } = context
	const repeats = new RepeatFilter({ inAllMax: ALL_CHEAP_LINES_MAX })
	const write = (request: Request, response: Response, route: string, record: RequestRecord) => {
		const { method } = request
		const { status } = response
		const path = requestPath(request).slice(0, PATH_SHOWN_MAX)
		const isReport = reportPaths.has(path)
		const client = clients.addressOf(request)
		const requestId = () => response.headers.get('x-request-id')
		// Whoever has gone before there was an answer is told nothing.
		if (status === 499) record.leftFirst = 'client'
		const { trace } = record
		if (tracing !== null && trace?.isSampled) {
			const facts = { method, route, path, status, client, requestId: requestId() }
			tracing.exporter.add(spansOf(record, trace, facts, performance.now()))
		}
		let unloggedBefore: number | null = 0
		const hasComputed = status < 400 && record.model !== null
		if (!hasComputed) {
			const most = refusals.has(status) || isReport ? 1 : CHEAP_LINES_MAX
			unloggedBefore = repeats.take(`${method} ${route} ${status} ${client}`, most)
		}
		if (unloggedBefore === null) return
		// Only keys that were compared in constant time are looked up.
		const needsKey = (table.find(method, path)?.security ?? 'key') === 'key'
		const key = needsKey && status !== 401 ? clients.keyNameOf(request) : null
		log('info', 'request', {
			requestId: requestId(),
			method,
			route,
			path,
			status,
			ms: Math.round(performance.now() - record.startedAt),
			client,
			...(key === null ? {} : { key }),
			...(record.model === null ? {} : generationFields(record)),
			...(trace === null ? {} : { traceId: trace.traceId }),
			...(record.leftFirst === null ? {} : { leftFirst: record.leftFirst }),
			...(unloggedBefore > 0 ? { unloggedBefore } : {}),
		})
	}
	const logged = (answer: Answer) => async (request: Request) => {
		const record = records.open(request)
		if (tracing !== null) record.trace = traceContextOf(request.headers, tracing.share)
		const response = await answer(request)
		const path = requestPath(request)
		const route = table.patternOf(path) ?? 'none'
		metrics.httpRequests.add({
			method: methodLabel(request),
			route,
			status: String(response.status),
		})
		if (unloggedPaths.has(path) || (reportPaths.has(path) && response.status < 400)) return response
		record.whenOver(() => write(request, response, route, record))
		return response
	}
	return wrapper('request log', logged)
}

/** Methods that are told apart by the metrics: a client may send any word. */
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

function methodLabel({ method }: Request): string {
	return methods.has(method) ? method : 'other'
}

function generationFields(record: RequestRecord) {
	const { startedAt, queuedAt, placedAt, firstTokenAt, lastTokenAt, completionTokens } = record
	const decodeMs = lastTokenAt - firstTokenAt
	const tokens = {
		promptTokens: record.promptTokens,
		cachedTokens: record.cachedTokens,
		completionTokens,
	}
	return {
		model: record.model,
		...(record.promptTokens + completionTokens === 0 ? {} : tokens),
		...(placedAt === 0 ? {} : { queueMs: rounded(placedAt - queuedAt) }),
		...(firstTokenAt === 0 ? {} : { firstTokenMs: rounded(firstTokenAt - startedAt) }),
		...(decodeMs > 0
			? { tokensPerSecond: rounded(((completionTokens - 1) * 1000) / decodeMs) }
			: {}),
		...(record.finishReasons.size === 0
			? {}
			: { finishReason: [...record.finishReasons].sort().join(',') }),
	}
}

/** To a tenth. */
function rounded(value: number): number {
	return Math.round(value * 10) / 10
}
