/** A catalog whose models answer from a script: the HTTP side under test without an engine. */

import { Backlog } from '../../src/engine/backlog.ts'
import type { GenerationRequest, TokenEvent, TokenLogprob } from '../../src/engine/generation.ts'
import { type GenerationControl, GenerationStream } from '../../src/engine/generation-stream.ts'
import {
	type ModelCard,
	type ModelCatalog,
	type ModelLease,
	type ModelLoad,
	modelNotFound,
} from '../../src/models/catalog.ts'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts'

const alphabet = [...'\n abcdefghijklmnopqrstuvwxyz.,!?éΩ😀{}[]":0123456789'].sort()

/** One token per character. */
export const fakeTokenizer = createTokenizer({
	type: 'char',
	vocab: alphabet,
	merges: [],
	specialTokens: [],
	mergeOrder: 'plain',
})

export const fakeContextLength = 64
const embeddingSize = 4

/** A generation in progress, as the test's hand on the engine. */
export interface FakeRun {
	readonly request: GenerationRequest
	/** Delivers an event, as the engine would. */
	push(event: TokenEvent): void
	/** Delivers the tokens of a text and, if it fits, the finish of the choice. */
	say(choice: number, text: string): void
	fail(error: unknown): void
	/** Resolves when the generation has ended, also by abort. */
	readonly ended: Promise<void>
	isAborted: boolean
}

export interface FakeCatalogOptions {
	/** What the model says to a request; default: `hello world` to each choice, then stop. */
	readonly script?: (run: FakeRun) => void
	/** Thrown by `acquire`. */
	readonly acquireError?: Error
	readonly cards?: readonly ModelCard[]
	readonly unserved?: readonly ModelCard[]
	/** Models in memory. Default: none. */
	readonly loads?: readonly ModelLoad[]
	/** Default: one token per character. */
	readonly tokenizer?: Tokenizer
}

export interface FakeCatalog extends ModelCatalog {
	/** All generations started so far. */
	readonly runs: readonly FakeRun[]
	/** Leases that were taken and not given back. */
	leaseCount(): number
	/** Tells those who listen that something has changed. */
	change(): void
}

export function fakeCard(id: string, fields: Partial<ModelCard> = {}): ModelCard {
	return {
		id,
		trainingStep: 900,
		mtimeMs: 1771438445123.4,
		lastLoss: 4.123,
		domain: 'novels',
		modelConfig: { vocabSize: alphabet.length, blockSize: fakeContextLength },
		trainConfig: { iters: 3000, batchSize: 4 },
		steps: [900],
		state: 'available',
		reason: null,
		contextLength: fakeContextLength,
		format: 'json',
		family: 'alpha',
		isBuiltin: false,
		...fields,
	}
}

export function createFakeCatalog(options: FakeCatalogOptions = {}): FakeCatalog {
	const { script = sayHello, cards = [fakeCard('first'), fakeCard('second')] } = options
	const { tokenizer = fakeTokenizer } = options
	const runs: FakeRun[] = []
	let leases = 0
	const listeners = new Set<() => void>()
	const byId = new Map(cards.map((card) => [card.id, card]))
	return {
		runs,
		leaseCount: () => leases,
		change: () => {
			for (const listener of listeners) listener()
		},
		onChange(listener) {
			listeners.add(listener)
			return () => listeners.delete(listener)
		},
		list: () => cards,
		loads: () => options.loads ?? [],
		listUnserved: () => options.unserved ?? [],
		find: (name) => byId.get(name),
		lookFor: async () => {},
		details(name) {
			const card = byId.get(name)
			if (card === undefined) return undefined
			const tokenizer = {
				type: 'char' as const,
				vocabSize: alphabet.length,
				mergeCount: 0,
				hasChatTemplate: false,
				specialTokens: [],
			}
			const sizes = { checkpointBytes: 5000, parameterCount: 1000, memoryBytes: 4000 }
			return { card, ...sizes, tokenizer, leases }
		},
		lossSeries: async (_name, pointsMax) => ({
			lineCount: 3,
			badLineCount: 1,
			points: [
				{ step: 1, loss: 5 },
				{ step: 900, loss: 4.123 },
			].slice(0, pointsMax),
		}),
		unload: async (name) => name === 'first',
		async acquire(name) {
			if (options.acquireError) throw options.acquireError
			const card = name === undefined ? cards[0] : byId.get(name)
			if (card === undefined) throw modelNotFound(name ?? 'none')
			leases++
			return fakeLease(card, { script, runs, tokenizer, onRelease: () => leases-- })
		},
	}
}

function fakeLease(
	card: ModelCard,
	context: {
		script: (run: FakeRun) => void
		runs: FakeRun[]
		tokenizer: Tokenizer
		onRelease: () => void
	},
): ModelLease {
	let isReleased = false
	const release = () => {
		if (isReleased) throw new Error('lease released twice')
		isReleased = true
		context.onRelease()
	}
	return {
		id: card.id,
		trainingStep: card.trainingStep,
		config: {
			vocabSize: context.tokenizer.spec.vocab.length,
			family: 'alpha',
			contextLength: fakeContextLength,
			nLayer: 1,
			nEmbd: embeddingSize,
			nHead: 1,
			ffnDim: 4,
			activation: { kind: 'gelu' },
			softCap: null,
		},
		fingerprint: '0123456789abcdef',
		tokenizer: context.tokenizer,
		enter: async () => ({ areOnly: true, release() {}, retake() {}, [Symbol.dispose]() {} }),
		generate(request, signal) {
			const run = startRun(request, context.tokenizer, signal)
			context.runs.push(run)
			queueMicrotask(() => context.script(run))
			return run.stream
		},
		embed: async (tokenIds) => Float32Array.from([3, 4, 0, 0], (v) => v * tokenIds.length),
		[Symbol.dispose]: release,
	}
}

function startRun(
	request: GenerationRequest,
	tokenizer: Tokenizer,
	signal: AbortSignal | undefined,
): FakeRun & { stream: GenerationStream } {
	const { promise: ended, resolve } = Promise.withResolvers<void>()
	let allowed = 0
	const control: GenerationControl = {
		stopChoice: () => {},
		moveTo: (choice, { row: { mask } }) => {
			allowed++
			if (allowed > request.maxTokens) {
				queueMicrotask(() => push({ type: 'finish', choice, finishReason: 'length' }))
			} else {
				const tokenId = firstAllowed(mask, tokenizer)
				queueMicrotask(() => push({ type: 'token', choice, tokenId }))
			}
		},
		abort: () => {
			run.isAborted = true
		},
		park: () => {},
		resume: () => {},
		ended: resolve,
	}
	const stream = new GenerationStream(request.n, control, new Backlog(2 ** 30, () => {}))
	const push = (event: TokenEvent) => {
		stream.push(event)
		stream.wakeReader()
	}
	const run = {
		request,
		stream,
		ended,
		isAborted: false,
		push,
		fail: (error: unknown) => stream.fail(error),
		say(choice: number, text: string) {
			if (request.constrained) return
			const ids = tokenizer.encode(text).slice(0, request.maxTokens)
			for (const tokenId of ids) {
				const logprob = request.logprobs === null ? null : fakeLogprob(request.logprobs)
				const event = { type: 'token', choice, tokenId } as const
				push(logprob ? { ...event, logprob } : event)
			}
			const finishReason = ids.length < text.length || text === '' ? 'length' : 'stop'
			push({ type: 'finish', choice, finishReason })
		},
	}
	signal?.addEventListener('abort', () => stream.abort())
	if (signal?.aborted) stream.abort()
	return run
}

/** A constrained model that prefers to come to an end. */
function firstAllowed(mask: Uint32Array, tokenizer: Tokenizer): number {
	const isAllowed = (id: number) => ((mask[id >> 5]! >> (id & 31)) & 1) === 1
	const closing = tokenizer.encode('"}]').find(isAllowed)
	return closing ?? tokenizer.spec.vocab.findIndex((_, id) => isAllowed(id))
}

/** The first ids as alternatives, each less likely than the one before. */
export function fakeLogprob(alternatives: number): TokenLogprob {
	const top = Array.from({ length: alternatives }, (_, i) => [i, -0.5 - i] as const)
	return { logprob: -0.5, rank: 1, top }
}

/** The prompt event that a run owes its reader first. */
export function readPrompt(run: FakeRun): void {
	const { promptTokenIds, promptIsStartToken, promptLogprobs } = run.request
	const promptTokens = promptIsStartToken
		? 0
		: Math.min(promptTokenIds.length, fakeContextLength - 1)
	const event = { type: 'prompt', promptTokens, cachedTokens: 0 } as const
	if (promptLogprobs === null) run.push(event)
	else {
		const logprobs = promptTokenIds.map((_, i) => (i === 0 ? null : fakeLogprob(promptLogprobs)))
		run.push({ ...event, logprobs })
	}
}

/** A script that says the same to every choice. */
export function saying(text: string): (run: FakeRun) => void {
	return (run) => {
		readPrompt(run)
		for (let choice = 0; choice < run.request.n; choice++) run.say(choice, text)
	}
}

const sayHello = saying('hello world')
