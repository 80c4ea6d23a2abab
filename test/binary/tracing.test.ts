/** The executable beside a collector of traces. */
import { expect, test } from 'bun:test'
import { startAlpha } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'

interface Received {
	readonly resourceSpans: {
		scopeSpans: { spans: { name: string; traceId: string; parentSpanId?: string }[] }[]
	}[]
}

test('a request to the executable is a trace of its sender’s, with its parts', async () => {
	const received: Received[] = []
	using collector = Bun.serve({
		port: 0,
		hostname: '127.0.0.1',
		async fetch(request) {
			expect(new URL(request.url).pathname).toBe('/v1/traces')
			received.push((await request.json()) as Received)
			return Response.json({ partialSuccess: {} })
		},
	})
	const spans = () => received.flatMap((body) => body.resourceSpans[0]!.scopeSpans[0]!.spans)
	const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url.href }
	const server = await startAlpha({ runs: [], env })
	const traceId = '0af7651916cd43dd8448eb211c80319c'
	await (
		await fetch(`${server.url}/api/generate?prompt=The&max_tokens=4`, {
			headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` },
		})
	).text()
	// What is left is sent at the end.
	expect(await server.stop()).toBe(0)
	await eventually(() => spans().length === 4)
	expect(spans().map(({ name }) => name)).toEqual([
		'text_completion novels-austen',
		'queue',
		'prefill',
		'decode',
	])
	for (const span of spans()) expect(span.traceId).toBe(traceId)
})

test('a collector that is not there or never answers keeps nobody waiting', async () => {
	using silent = Bun.serve({
		port: 0,
		hostname: '127.0.0.1',
		fetch: () => new Promise<Response>(() => {}),
	})
	for (const endpoint of ['http://127.0.0.1:1', silent.url.href]) {
		const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }
		await using server = await startAlpha({ runs: [], env })
		for (let i = 0; i < 20; i++) {
			const response = await fetch(`${server.url}/api/generate?prompt=The&max_tokens=2`)
			expect(response.status).toBe(200)
			await response.text()
		}
		expect(await server.stop()).toBe(0)
	}
}, 60_000)
