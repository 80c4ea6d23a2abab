import { join } from 'node:path'
import { Engine } from '../../src/engine/engine.ts'
import type { GenerationRequest, TokenEvent } from '../../src/engine/generation.ts'
import type { RunnerLimits } from '../../src/engine/messages.ts'
import { openKernels } from '../../src/kernels/binding.ts'
import type { Log } from '../../src/lib/log.ts'

/** The library that the test preload has built. */
export const libraryPath = join(import.meta.dir, '../../dist/libkernels.so')

export interface TestEngineOptions extends Partial<RunnerLimits> {
	readonly threads?: number
	readonly isa?: string
	readonly queueLengthMax?: number
	readonly watchMs?: number
	readonly log?: Log
	/** Default: a new one. */
	readonly worker?: Worker
}

/** A real engine in a real worker, small enough to run many tests. */
export function startEngine(options: TestEngineOptions = {}): Promise<Engine> {
	const {
		threads = 1,
		isa = '',
		queueLengthMax = 512,
		watchMs = 1000,
		log = (_level, message) => console.error(message),
		worker = new Worker(new URL('../../src/engine/worker/worker.ts', import.meta.url)),
		...limits
	} = options
	return Engine.start({
		worker,
		kernels: openKernels(libraryPath),
		libraryPath,
		isa,
		threads,
		queueLengthMax,
		queueMsMax: 10_000,
		watchMs,
		limits: {
			rowsMax: 256,
			readingRowsMax: 64,
			sequencesMax: 64,
			kvBytesMax: 64 * 2 ** 20,
			guessing: { weightBytesMin: Number.POSITIVE_INFINITY, costs: 'assumed' },
			...limits,
		},
		log,
	})
}

/** What a client would learn of one request, choice by choice. */
export interface Transcript {
	readonly promptTokens: number
	readonly cachedTokens: number
	readonly choices: readonly {
		readonly tokenIds: readonly number[]
		readonly logprobs: readonly number[]
		readonly finishReason: string | null
	}[]
	readonly promptLogprobs: readonly (number | null)[] | null
}

/** Runs a request to its end. */
export async function complete(
	engine: Engine,
	model: { readonly key: number; readonly contextLength: number },
	request: GenerationRequest,
): Promise<Transcript> {
	const events: TokenEvent[] = []
	for await (const event of engine.generate(model.key, request)) {
		events.push(event)
	}
	return transcribe(events, request.n)
}

function transcribe(events: readonly TokenEvent[], n: number): Transcript {
	const choices = Array.from({ length: n }, () => ({
		tokenIds: [] as number[],
		logprobs: [] as number[],
		finishReason: null as string | null,
	}))
	let prompt: (TokenEvent & { type: 'prompt' }) | undefined
	for (const event of events) {
		if (event.type === 'prompt') {
			prompt = event
			continue
		}
		const choice = choices[event.choice]!
		if (event.type === 'finish') {
			choice.finishReason = event.finishReason
		} else {
			choice.tokenIds.push(event.tokenId)
			if (event.logprob) choice.logprobs.push(event.logprob.logprob)
		}
	}
	return {
		promptTokens: prompt?.promptTokens ?? 0,
		cachedTokens: prompt?.cachedTokens ?? 0,
		promptLogprobs: prompt?.logprobs?.map((entry) => entry?.logprob ?? null) ?? null,
		choices,
	}
}
