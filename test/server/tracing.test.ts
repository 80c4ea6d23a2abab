/** Traces: what a collector of OpenTelemetry gets of a request, and what a request gets of a collector. */
import { describe, expect, test } from 'bun:test'
import { SpanExporter } from '../../src/commands/serving/span-exporter.ts'
import type { LogLevel } from '../../src/lib/log.ts'
import type { Attribute, Span } from '../../src/server/spans.ts'
import { traceContextOf } from '../../src/server/trace-context.ts'
import { eventually } from '../helpers/eventually.ts'
import { type FakeRun, readPrompt, saying } from '../helpers/fake-catalog.ts'
import { testApp } from '../helpers/test-app.ts'

const chat = { messages: [{ role: 'user', content: 'a secret' }], max_tokens: 5 }
const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

/** An app whose spans are gathered here. */
function traced(script: (run: FakeRun) => void, share = 1) {
	const spans: Span[] = []
	const exporter = { add: (more: readonly Span[]) => void spans.push(...more), droppedTotal: 0 }
	return { ...testApp({ script, deps: { tracing: { exporter, share } } }), spans }
}

function values(attributes: readonly Attribute[]): Record<string, unknown> {
	return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}

describe('the spans of a request', () => {
	test('are its own, with the names of the conventions, and those of its parts', async () => {
		const app = traced(saying('hello world'))
		await app.post('/v1/chat/completions', chat, { 'x-request-id': 'mine' })
		const [root, ...parts] = app.spans
		expect(root).toMatchObject({ name: 'chat first', kind: 2, status: {} })
		expect(root).not.toHaveProperty('parentSpanId')
		expect(values(root!.attributes)).toMatchObject({
			'http.request.method': 'POST',
			'http.route': '/v1/chat/completions',
			'http.response.status_code': '200',
			'alpha.request.id': 'mine',
			'gen_ai.operation.name': 'chat',
			'gen_ai.provider.name': 'alpha',
			'gen_ai.request.model': 'first',
			'gen_ai.usage.input_tokens': '8',
			'gen_ai.usage.output_tokens': '5',
			'gen_ai.response.finish_reasons': { values: [{ stringValue: 'length' }] },
			'gen_ai.latency.time_in_queue': expect.any(Number),
		})
		expect(parts.map(({ name }) => name)).toEqual(['queue', 'prefill', 'decode'])
		for (const { traceId, parentSpanId, spanId } of parts) {
			expect([traceId, parentSpanId]).toEqual([root!.traceId, root!.spanId])
			expect(spanId).toMatch(/^[0-9a-f]{16}$/)
		}
		const times = parts.flatMap((part) =>
			[part.startTimeUnixNano, part.endTimeUnixNano].map(BigInt),
		)
		expect(times).toEqual([...times].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)))
		expect(times[0]! >= BigInt(root!.startTimeUnixNano)).toBe(true)
		expect(times.at(-1)! <= BigInt(root!.endTimeUnixNano)).toBe(true)
		expect(Math.abs(Number(times[0]! / 1_000_000n) - Date.now())).toBeLessThan(60_000)
		expect(JSON.stringify(app.spans)).not.toContain('secret')
	})

	test('belong to the trace of who asked, and end when a stream has ended', async () => {
		const runs: FakeRun[] = []
		const app = traced((run) => void runs.push(run))
		using server = app.listen()
		const response = await fetch(`${server.url}/v1/chat/completions`, {
			method: 'POST',
			headers: { traceparent: parent, tracestate: 'vendor=1' },
			body: JSON.stringify({ ...chat, stream: true }),
		})
		await eventually(() => runs.length === 1)
		expect(app.spans).toEqual([])
		readPrompt(runs[0]!)
		runs[0]!.say(0, 'hello')
		await response.text()
		await eventually(() => app.spans.length > 0)
		expect(app.spans[0]).toMatchObject({
			traceId: '0af7651916cd43dd8448eb211c80319c',
			parentSpanId: 'b7ad6b7169203331',
			traceState: 'vendor=1',
		})
		expect(app.logged.join()).toContain('"traceId":"0af7651916cd43dd8448eb211c80319c"')
	})

	test('say what failed, and have no parts where nothing was generated', async () => {
		const app = traced((run) => run.fail(new Error('worker died')))
		await app.post('/v1/completions', { prompt: 'a' })
		await app.get('/v1/models')
		await app.get('/health')
		const [failed, listed, ...others] = app.spans.filter(({ kind }) => kind === 2)
		expect(failed).toMatchObject({ name: 'text_completion first', status: { code: 2 } })
		expect(values(failed!.attributes)).toMatchObject({ 'error.type': '500' })
		expect(listed).toMatchObject({ name: 'GET /v1/models', status: {} })
		expect(others).toEqual([])
	})

	test('are not there where who asked does not keep the trace, or the share is none', async () => {
		const app = traced(saying('hi'), 0)
		await app.post('/v1/chat/completions', chat)
		await app.post('/v1/chat/completions', chat, { traceparent: parent.replace(/01$/, '00') })
		expect(app.spans).toEqual([])
		await app.post('/v1/chat/completions', chat, { traceparent: parent })
		expect(app.spans).toHaveLength(4)
	})
})

test.each([
	'',
	'00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331',
	`${parent}-more`,
	parent.toUpperCase(),
	parent.replace(/^00/, 'ff'),
	parent.replace(/0af7651916cd43dd8448eb211c80319c/, '0'.repeat(32)),
	parent.replace('b7ad6b7169203331', '0'.repeat(16)),
	'x'.repeat(10_000),
])('a traceparent that is none begins a trace: %p', (traceparent) => {
	const context = traceContextOf(new Headers({ traceparent }), 1)
	expect(context).toMatchObject({ parentSpanId: null, isSampled: true })
	expect(context.traceId).toMatch(/^[0-9a-f]{32}$/)
	expect(context.traceId).not.toBe('0af7651916cd43dd8448eb211c80319c')
})

/** A collector that answers with the next of these statuses, the last again and again. */
function collector(...statuses: number[]) {
	const bodies: { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] }[] = []
	const headers: Headers[] = []
	const server = Bun.serve({
		port: 0,
		hostname: '127.0.0.1',
		async fetch(request) {
			headers.push(request.headers)
			bodies.push((await request.json()) as (typeof bodies)[number])
			const status = statuses.length > 1 ? statuses.shift() : statuses[0]
			return Response.json({}, { status: status ?? 200 })
		},
	})
	return {
		endpoint: `http://127.0.0.1:${server.port}/`,
		bodies,
		headers,
		spans: () => bodies.flatMap((body) => body.resourceSpans[0]!.scopeSpans[0]!.spans),
		[Symbol.dispose]: () => void server.stop(true),
	}
}

function exporterFor(endpoint: string, headers: readonly string[] = []) {
	const logged: [LogLevel, string][] = []
	const exporter = new SpanExporter({
		endpoint,
		headers,
		serviceName: 'here',
		version: '1.2.3',
		log: (level, message) => logged.push([level, message]),
		gatherMs: 1,
		farewellMs: 20_000,
	})
	return { exporter, logged }
}

const span: Span = {
	traceId: '0af7651916cd43dd8448eb211c80319c',
	spanId: 'b7ad6b7169203331',
	name: 'a',
	kind: 2,
	startTimeUnixNano: '1',
	endTimeUnixNano: '2',
	attributes: [],
	status: {},
}

describe('a collector', () => {
	test('gets batches of OTLP with the service’s name and the headers that are asked for', async () => {
		using there = collector(200)
		const { exporter } = exporterFor(there.endpoint, ['authorization=Bearer%20x'])
		exporter.add([span, span])
		exporter.add([span])
		await eventually(() => there.bodies.length > 0)
		await exporter[Symbol.asyncDispose]()
		expect(there.spans()).toEqual([span, span, span])
		expect(there.headers[0]!.get('authorization')).toBe('Bearer x')
		expect(there.bodies[0]!.resourceSpans[0]).toMatchObject({
			resource: {
				attributes: expect.arrayContaining([
					{ key: 'service.name', value: { stringValue: 'here' } },
				]),
			},
			scopeSpans: [{ scope: { name: 'alpha', version: '1.2.3' } }],
		})
	})

	test('gets what it could not take once more, and that is logged once', async () => {
		using there = collector(503, 503, 200)
		const { exporter, logged } = exporterFor(there.endpoint)
		exporter.add([span])
		await eventually(() => there.bodies.length === 3)
		await eventually(() => logged.length === 2)
		expect(logged).toEqual([
			['warn', 'traces cannot be sent'],
			['info', 'traces are taken again'],
		])
		expect(exporter.droppedTotal).toBe(0)
	})

	test('that refuses a batch does not get it again', async () => {
		using there = collector(400, 200)
		const { exporter } = exporterFor(there.endpoint)
		exporter.add([span])
		await eventually(() => exporter.droppedTotal === 1)
		exporter.add([{ ...span, name: 'b' }])
		await eventually(() => there.bodies.length === 2)
		expect(there.spans().map(({ name }) => name)).toEqual(['a', 'b'])
	})

	test('that is not there costs no more than the spans that there is no room for', async () => {
		const { exporter } = exporterFor('http://127.0.0.1:1')
		for (let i = 0; i < 5000; i++) exporter.add([span])
		expect(exporter.droppedTotal).toBe(5000 - 4096)
		await exporter[Symbol.asyncDispose]()
	})

	test('gets what is left when the server ends', async () => {
		using there = collector(200)
		const { exporter } = exporterFor(there.endpoint)
		exporter.add(Array.from({ length: 1300 }, () => span))
		await exporter[Symbol.asyncDispose]()
		expect(there.spans()).toHaveLength(1300)
	})
})
