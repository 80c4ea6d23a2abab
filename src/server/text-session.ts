/**
 * One request's hold on a model: the lease, its places, the generations that it starts, and their
 * common end.
 */
import { type GenerationRequest, readableTokens } from '../engine/generation.ts'
import type { ModelLease } from '../models/catalog.ts'
import type { TextEvent, TextResult } from '../text/text-events.ts'
import { TextGeneration } from '../text/text-generation.ts'
import type { TextRequest } from '../text/text-request.ts'
import { aboveMax, answerTooLarge, contextLengthExceeded } from '../wire/errors.ts'
import type { RequestContext } from '../wire/request-fields.ts'
import type { BodyBytes } from './body-budget.ts'
import type { ServerContext } from './deps.ts'
import { freshSeed } from './ids.ts'

/**
 * Reads what is asked, and loads the model if need be. Who would find no place has been refused before
 * (`admission.ts`). Throws ApiError and Fault, and then nothing is held.
 */
export async function openSession<T extends { readonly model?: string | undefined }>(
	context: ServerContext,
	request: Request,
	read: (request: Request, held: BodyBytes) => T | Promise<T>,
): Promise<OpenSession<T>> {
	using held = new DisposableStack()
	const client = context.clients.of(request)
	if (context.keyLimit !== null) held.defer(context.keyLimit.enter(request.headers))
	const bytes = held.use(context.bodies.open(client))
	const asked = await read(request, bytes)
	const lease = held.use(await context.catalog.acquire(asked.model, request.signal))
	context.records.of(request).model = lease.id
	const turn = await bytes.turn()
	if (turn !== null) held.use(turn)
	return new OpenSession({ context, request, client, asked, lease, turn }, held.move())
}

export interface StartOptions {
	/** The field that is named when a prompt does not fit. */
	readonly promptField?: string
	/** The answer leaves while it is made; else it must fit into memory whole. */
	readonly isStreamed?: boolean
	/** Characters of the request that the answer repeats, with each choice, streamed or not. */
	readonly repeatedCharacters?: number
}

/** Whose request on which model. */
interface SessionParts<T> {
	readonly context: ServerContext
	readonly request: Request
	readonly client: string
	/** Body or query. */
	readonly asked: T
	readonly lease: ModelLease
	/** To make prompts of what is asked. */
	readonly turn: Disposable | null
}

/** A session in which nothing runs yet; `using` gives back what it holds unless it is started. */
export class OpenSession<T> implements Disposable {
	readonly asked: T
	readonly lease: ModelLease
	/** What the request is read against. */
	readonly requestContext: RequestContext
	readonly #parts: SessionParts<T>
	readonly #held: DisposableStack

	constructor(parts: SessionParts<T>, held: DisposableStack) {
		this.asked = parts.asked
		this.lease = parts.lease
		const { tokenizer, config } = parts.lease
		this.requestContext = { tokenizer, vocabSize: config.vocabSize, seed: freshSeed() }
		this.#parts = parts
		this.#held = held
	}

	/**
	 * Starts the generations, one per prompt, when there are places for them. Throws ApiError and Fault,
	 * and then nothing is left running.
	 */
	async start(
		requests: readonly TextRequest[],
		{ promptField = 'prompt', isStreamed = false, repeatedCharacters = 0 }: StartOptions = {},
	): Promise<TextSession> {
		const { context, request, client, lease, turn } = this.#parts
		const { signal } = request
		const cacheSalt = context.clients.cacheSaltOf(request)
		for (const { generation } of requests) {
			checkChoices(generation, context.limits.choicesMax)
			checkFits(generation, lease, promptField)
		}
		const answerBytes = checkAnswerBytes(requests, isStreamed, repeatedCharacters)
		using held = this.#held.move()
		const choices = requests.reduce((sum, { generation }) => sum + generation.n, 0)
		turn?.[Symbol.dispose]()
		const record = context.records.of(request)
		record.queuedAt = performance.now()
		using room = await context.answers.take(answerBytes)
		const places = held.use(await lease.enter({ choices, client, signal }))
		record.placedAt = performance.now()
		const generations = requests.map((textRequest) => {
			const tokens = lease.generate({ ...textRequest.generation, cacheSalt }, signal, places)
			const generation = new TextGeneration(tokens, {
				request: textRequest,
				tokenizer: lease.tokenizer,
				meter: context.metrics.generation(lease.id, record, textRequest.generation),
			})
			held.defer(() => generation.close())
			return generation
		})
		return new TextSession(this.#parts, requests, {
			generations,
			held: held.move(),
			answer: room?.move() ?? null,
		})
	}

	[Symbol.dispose](): void {
		this.#held.dispose()
	}
}

/** Generations of one request; choices are numbered through over all prompts. To be closed in any case. */
export class TextSession {
	readonly context: ServerContext
	readonly request: Request
	readonly lease: ModelLease
	/** Prompt tokens that did not fit into the context and were dropped. */
	readonly truncatedTokens: number
	readonly #generations: readonly TextGeneration[]
	/** Number of the first choice of each generation. */
	readonly #firstChoices: readonly number[]
	/** What has to be given back when nothing runs any more, in reverse order. */
	readonly #held: DisposableStack
	/** The room of a long answer, to be given back when it has left. */
	readonly #answer: Disposable | null

	constructor(
		{ context, request, lease }: SessionParts<unknown>,
		requests: readonly TextRequest[],
		{
			generations,
			held,
			answer,
		}: {
			readonly generations: readonly TextGeneration[]
			readonly held: DisposableStack
			readonly answer: Disposable | null
		},
	) {
		this.context = context
		this.request = request
		this.lease = lease
		this.#generations = generations
		this.#held = held
		this.#answer = answer
		this.#firstChoices = requests.map((_, i) =>
			requests.slice(0, i).reduce((sum, { generation }) => sum + generation.n, 0),
		)
		this.truncatedTokens = requests
			.map(({ generation }) => excessTokens(generation, lease))
			.reduce((sum, tokens) => sum + tokens, 0)
	}

	/** Events of all generations as they come, in batches of what is ready together. */
	batches(): AsyncGenerator<TextEvent[], void> {
		const [first, ...others] = this.#generations.map((generation) => generation.batches())
		if (others.length === 0) return first!
		const streams = [first!, ...others]
		return merge(streams.map((stream, i) => renumber(stream, this.#firstChoices[i]!)))
	}

	/** The whole answers, one per prompt; null when the client has gone. Nothing runs any more then. */
	async results(): Promise<TextResult[] | null> {
		try {
			const results = await Promise.all(this.#generations.map((g) => g.result()))
			return results.every((result) => result !== null) ? results : null
		} finally {
			this.#held.dispose()
		}
	}

	/** Aborts what still runs and lets the model go; the answer has left. */
	close(): void {
		this.#held.dispose()
		this.#answer?.[Symbol.dispose]()
	}
}

/** Largest answer in one piece, or beginning of a stream that repeats its prompt, in bytes. */
const ANSWER_BYTES_MAX = 16 * 2 ** 20
/** What a token takes in an answer at most, but for rare ones: its text, and each log-probability of it. */
const TOKEN_BYTES = 16
const LOGPROB_BYTES = 100

/** Bytes that the answer takes at most; refuses what could become too large before anything is made of it. */
function checkAnswerBytes(
	requests: readonly TextRequest[],
	isStreamed: boolean,
	repeatedCharacters: number,
): number {
	let bytes = repeatedCharacters
	for (const { generation } of requests) {
		const { n, maxTokens, logprobs, promptLogprobs, promptTokenIds } = generation
		if (!isStreamed) bytes += n * maxTokens * tokenBytes(logprobs)
		if (promptLogprobs !== null) bytes += n * promptTokenIds.length * tokenBytes(promptLogprobs)
	}
	if (bytes > ANSWER_BYTES_MAX) throw answerTooLarge(ANSWER_BYTES_MAX, bytes)
	return bytes
}

function tokenBytes(logprobs: number | null): number {
	return TOKEN_BYTES + (logprobs === null ? 0 : (1 + logprobs) * LOGPROB_BYTES)
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
