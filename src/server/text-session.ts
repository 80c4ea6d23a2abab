/**
 * One request's hold on a model: the lease, the generations that it started, and their common end.
 * A session that is opened must be closed, which also frees what still runs.
 */
import type { ModelLease } from '../engine/catalog.ts'
import type { TextEvent, TextRequest, TextResult } from '../openai/text-generation.ts'
import type { ServerContext } from './deps.ts'
import type { ServerMetrics } from './metrics.ts'
import { TextGeneration } from './text-generation.ts'

export interface SessionRequest {
	/** Model id; undefined = the first model. */
	readonly model: string | undefined
	/** Fires when the client goes away. */
	readonly signal: AbortSignal
	/** Reads the request against the model. One entry per prompt. */
	toRequests(lease: ModelLease): readonly TextRequest[]
}

/** Generations of one request; choices are numbered through over all prompts. */
export class TextSession {
	readonly lease: ModelLease
	/** Prompt tokens that did not fit into the context and were dropped. */
	readonly truncatedTokens: number
	readonly #generations: readonly TextGeneration[]
	/** Number of the first choice of each generation. */
	readonly #firstChoices: readonly number[]
	#isClosed = false

	private constructor(
		lease: ModelLease,
		requests: readonly TextRequest[],
		{ metrics, signal }: { metrics: ServerMetrics; signal: AbortSignal },
	) {
		this.lease = lease
		const readable = lease.config.blockSize - 1
		const dropped = requests.map(({ generation }) => generation.promptTokenIds.length - readable)
		this.truncatedTokens = dropped.reduce((sum, tokens) => sum + Math.max(0, tokens), 0)
		const started: TextGeneration[] = []
		const firstChoices: number[] = []
		let choices = 0
		try {
			for (const request of requests) {
				const generation = lease.generate(request.generation, signal)
				const { tokenizer } = lease
				const meter = metrics.generation(lease.id)
				started.push(new TextGeneration(generation, { request, tokenizer, meter }))
				firstChoices.push(choices)
				choices += request.generation.n
			}
		} catch (error) {
			for (const generation of started) generation.close()
			throw error
		}
		this.#generations = started
		this.#firstChoices = firstChoices
	}

	/** Loads the model if need be and starts. Throws ApiError, and then nothing is left running. */
	static async open(context: ServerContext, request: SessionRequest): Promise<TextSession> {
		const { signal } = request
		const lease = await context.catalog.acquire(request.model, signal)
		try {
			const { metrics } = context
			return new TextSession(lease, request.toRequests(lease), { metrics, signal })
		} catch (error) {
			lease.release()
			throw error
		}
	}

	/** Events of all generations as they come, in batches of what is ready together. */
	batches(): AsyncGenerator<TextEvent[], void> {
		const [first, ...others] = this.#generations.map((generation) => generation.batches())
		if (others.length === 0) return first!
		const streams = [first!, ...others]
		return merge(streams.map((stream, i) => renumber(stream, this.#firstChoices[i]!)))
	}

	/** The whole answers, one per prompt; null when the client has gone. Closes the session. */
	async results(): Promise<TextResult[] | null> {
		try {
			const results = await Promise.all(this.#generations.map((g) => g.result()))
			return results.every((result) => result !== null) ? results : null
		} finally {
			this.close()
		}
	}

	/** Aborts what still runs and lets the model go. */
	close(): void {
		if (this.#isClosed) return
		this.#isClosed = true
		for (const generation of this.#generations) generation.close()
		this.lease.release()
	}
}

async function* renumber(
	batches: AsyncGenerator<TextEvent[], void>,
	firstChoice: number,
): AsyncGenerator<TextEvent[], void> {
	for await (const events of batches) {
		yield events.map((event) => ({ ...event, choice: event.choice + firstChoice }))
	}
}

/** Batches of several streams in the order of their arrival. */
async function* merge<T>(streams: readonly AsyncGenerator<T, void>[]): AsyncGenerator<T, void> {
	const next = (stream: AsyncGenerator<T, void>) =>
		stream.next().then((result) => ({ stream, result }))
	const pending = new Map(streams.map((stream) => [stream, next(stream)]))
	while (pending.size > 0) {
		const { stream, result } = await Promise.race(pending.values())
		if (result.done) {
			pending.delete(stream)
		} else {
			pending.set(stream, next(stream))
			yield result.value
		}
	}
}
