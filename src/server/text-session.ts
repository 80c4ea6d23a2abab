/**
 * One request's hold on a model: the lease, the generations that it started, and their common end.
 * A session that is opened must be closed, which also frees what still runs.
 */

import { type GenerationRequest, readableTokens } from '../engine/generation.ts'
import type { ModelLease } from '../models/catalog.ts'
import type { TextEvent, TextResult } from '../text/text-events.ts'
import { TextGeneration } from '../text/text-generation.ts'
import type { TextRequest } from '../text/text-request.ts'
import { aboveMax, contextLengthExceeded } from '../wire/errors.ts'
import type { ServerContext } from './deps.ts'

export interface SessionRequest {
	/** Model id; undefined = the first model. */
	readonly model: string | undefined
	/** Whose signal fires when the client goes away. */
	readonly request: Request
	/** The field that holds the prompt, for errors about it; default `prompt`. */
	readonly promptField?: string
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
	/** What has to be given back, in reverse order. */
	readonly #held: DisposableStack

	private constructor(
		lease: ModelLease,
		requests: readonly TextRequest[],
		{ generations, held }: { generations: readonly TextGeneration[]; held: DisposableStack },
	) {
		this.lease = lease
		this.#generations = generations
		this.#held = held
		this.#firstChoices = requests.map((_, i) =>
			requests.slice(0, i).reduce((sum, { generation }) => sum + generation.n, 0),
		)
		this.truncatedTokens = requests
			.map(({ generation }) => excessTokens(generation, lease))
			.reduce((sum, tokens) => sum + tokens, 0)
	}

	/** Loads the model if need be and starts. Throws ApiError, and then nothing is left running. */
	static async open(context: ServerContext, session: SessionRequest): Promise<TextSession> {
		const { catalog, metrics, keyLimit, limits } = context
		const { signal, headers } = session.request
		using held = new DisposableStack()
		if (keyLimit !== null) held.defer(keyLimit.enter(headers))
		const lease = held.use(await catalog.acquire(session.model, signal))
		const requests = session.toRequests(lease)
		for (const { generation } of requests) {
			checkChoices(generation, limits.choicesMax)
			checkFits(generation, lease, session.promptField ?? 'prompt')
		}
		const generations = requests.map((request) => {
			const generation = new TextGeneration(lease.generate(request.generation, signal), {
				request,
				tokenizer: lease.tokenizer,
				meter: metrics.generation(lease.id),
			})
			held.defer(() => generation.close())
			return generation
		})
		return new TextSession(lease, requests, { generations, held: held.move() })
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
		this.#held.dispose()
	}
}

function checkChoices({ n }: GenerationRequest, choicesMax: number): void {
	if (n > choicesMax) throw aboveMax('n', choicesMax, n, 'integer')
}

/** A request may forbid that its prompt is cut. */
function checkFits(generation: GenerationRequest, lease: ModelLease, field: string): void {
	if (generation.truncation === 'disabled' && excessTokens(generation, lease) > 0) {
		const { length } = generation.promptTokenIds
		throw contextLengthExceeded(field, lease.config.contextLength, length)
	}
}

/** Tokens of the prompt that do not fit into the context. */
function excessTokens({ promptTokenIds, maxTokens }: GenerationRequest, lease: ModelLease): number {
	return Math.max(0, promptTokenIds.length - readableTokens(lease.config.contextLength, maxTokens))
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
	const next = (stream: AsyncGenerator<T, void>) => {
		const batch = stream.next().then((result) => ({ stream, result }))
		// Seen when it is awaited, which a slow reader may delay; not unhandled until then.
		batch.catch(() => {})
		return batch
	}
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
