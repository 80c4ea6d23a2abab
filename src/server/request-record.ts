/** What becomes of each request, for its line in the log and its trace: numbers and names, never what was in it. */
import type { StreamEnd } from './sse.ts'
import type { TraceContext } from './trace-context.ts'

/** One request from its first byte to the last byte of its answer. Times are those of `performance.now()`. */
export class RequestRecord {
	readonly startedAt: number
	/** Null unless it is traced. */
	trace: TraceContext | null = null
	/** Of a request that generates. */
	model: string | null = null
	/** From when it asked for places until it had them. */
	queuedAt = 0
	placedAt = 0
	firstTokenAt = 0
	lastTokenAt = 0
	/** Of all its prompts and choices together. */
	promptTokens = 0
	cachedTokens = 0
	completionTokens = 0
	/** Why its choices ended. */
	readonly finishReasons = new Set<string>()
	/** Who ended it before the answer was whole; null = nobody. */
	leftFirst: 'client' | 'server' | null = null
	#isHeld = false
	#whenOver: (() => void) | null = null

	constructor(startedAt: number) {
		this.startedAt = startedAt
	}

	/** The answer goes on when its head has left, until `over`. */
	hold(): void {
		this.#isHeld = true
	}

	over(end: StreamEnd): void {
		if (end === 'left') this.leftFirst = 'client'
		if (end === 'failed') this.leftFirst = 'server'
		this.#isHeld = false
		this.#whenOver?.()
		this.#whenOver = null
	}

	/** Calls `listener` once nothing more is sent. */
	whenOver(listener: () => void): void {
		if (this.#isHeld) this.#whenOver = listener
		else listener()
	}
}

/** Records by request; routes only have their request. */
export class RequestRecords {
	readonly #records = new WeakMap<Request, RequestRecord>()

	open(request: Request): RequestRecord {
		const record = new RequestRecord(performance.now())
		this.#records.set(request, record)
		return record
	}

	/** The record of a request that is being answered. */
	of(request: Request): RequestRecord {
		return this.#records.get(request) ?? this.open(request)
	}
}
