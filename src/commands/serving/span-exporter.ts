import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { SpanSink } from '../../server/deps.ts'
import { attributes, type Span } from '../../server/spans.ts'

/** Spans that wait to be sent; those beyond are dropped and counted. */
const WAITING_MAX = 4096
/** Spans that are sent at once. */
const BATCH_MAX = 512
/** Spans are gathered for so long, and after a failure up to the second, milliseconds. */
const GATHER_MS = 2000
const RETRY_MS_MAX = 60_000
/** The collector answers within so long, and at the end of the process within so long, milliseconds. */
const ANSWER_MS = 10_000
const FAREWELL_MS = 5000

export interface SpanExporterOptions {
	/** Of the collector, without `/v1/traces`. */
	readonly endpoint: string
	/** Further headers, `NAME=VALUE`, the value in percent encoding. */
	readonly headers: readonly string[]
	readonly serviceName: string
	readonly version: string
	readonly log: Log
	/** Default `GATHER_MS` and `FAREWELL_MS`. */
	readonly gatherMs?: number
	readonly farewellMs?: number
}

/**
 * Sends spans to a collector by OTLP over HTTP, in JSON, in batches beside the requests: no request waits for
 * it or fails with it. A collector that does not answer costs the spans that there is no room for.
 */
export class SpanExporter implements SpanSink, AsyncDisposable {
	readonly #options: SpanExporterOptions
	readonly #url: string
	readonly #headers: Readonly<Record<string, string>>
	readonly #resource: object
	#waiting: Span[] = []
	#timer: ReturnType<typeof setTimeout> | null = null
	#sending: Promise<void> | null = null
	#failures = 0
	/** Spans that were never sent. */
	droppedTotal = 0

	constructor(options: SpanExporterOptions) {
		const { endpoint, headers, serviceName, version } = options
		this.#options = options
		this.#url = `${endpoint.replace(/\/+$/, '')}/v1/traces`
		this.#headers = {
			'content-type': 'application/json',
			...Object.fromEntries(headers.map(toHeader)),
		}
		this.#resource = {
			attributes: attributes({
				'service.name': serviceName,
				'service.version': version,
				'telemetry.sdk.language': 'nodejs',
				'process.pid': process.pid,
			}),
		}
	}

	add(spans: readonly Span[]): void {
		if (this.#waiting.length + spans.length > WAITING_MAX) {
			this.droppedTotal += spans.length
			return
		}
		this.#waiting.push(...spans)
		const { gatherMs = GATHER_MS } = this.#options
		if (this.#failures === 0 && this.#waiting.length >= BATCH_MAX) this.#start(0)
		else this.#start(gatherMs)
	}

	/** Sends what waits, for a moment at most. */
	async [Symbol.asyncDispose](): Promise<void> {
		if (this.#timer !== null) clearTimeout(this.#timer)
		const rest = async () => {
			await this.#sending
			while (this.#waiting.length > 0 && this.#failures === 0) await this.#send()
		}
		await Promise.race([rest(), Bun.sleep(this.#options.farewellMs ?? FAREWELL_MS)])
	}

	#start(delayMs: number): void {
		if (this.#timer !== null || this.#sending !== null) return
		this.#timer = setTimeout(() => {
			this.#timer = null
			this.#sending = this.#send().finally(() => {
				this.#sending = null
				if (this.#waiting.length === 0) return
				const { gatherMs = GATHER_MS } = this.#options
				this.#start(Math.min(RETRY_MS_MAX, gatherMs * 2 ** Math.min(this.#failures, 16)))
			})
		}, delayMs)
		this.#timer.unref()
	}

	/** Sends a batch; it stays where the collector may take it later. */
	async #send(): Promise<void> {
		const batch = this.#waiting.slice(0, BATCH_MAX)
		const failure = await this.#post(batch)
		if (failure === null || failure.isFinal) this.#waiting = this.#waiting.slice(batch.length)
		if (failure?.isFinal) this.droppedTotal += batch.length
		if (failure === null) {
			if (this.#failures > 0) this.#options.log('info', 'traces are taken again')
			this.#failures = 0
			return
		}
		this.#failures++
		if (this.#failures === 1) {
			this.#options.log('warn', 'traces cannot be sent', { url: this.#url, cause: failure.cause })
		}
	}

	/** Null when the collector has taken them. Never throws. */
	async #post(spans: readonly Span[]): Promise<{ cause: string; isFinal: boolean } | null> {
		const scope = { name: 'alpha', version: this.#options.version }
		const body = { resourceSpans: [{ resource: this.#resource, scopeSpans: [{ scope, spans }] }] }
		try {
			const response = await fetch(this.#url, {
				method: 'POST',
				headers: this.#headers,
				body: JSON.stringify(body),
				signal: AbortSignal.timeout(ANSWER_MS),
			})
			await response.arrayBuffer()
			if (response.ok) return null
			const isFinal = response.status < 500 && response.status !== 429 && response.status !== 408
			return { cause: `HTTP ${response.status}`, isFinal }
		} catch (error) {
			return { cause: messageOf(error), isFinal: false }
		}
	}
}

function toHeader(text: string): [string, string] {
	const at = text.indexOf('=')
	const [name, value] = [text.slice(0, at).trim(), text.slice(at + 1).trim()]
	return [name, decodeURIComponent(value)]
}
