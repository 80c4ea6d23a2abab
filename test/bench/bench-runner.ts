import { type GenerationRequest, TOP_LOGPROBS_MAX } from '../../src/engine/generation.ts'
import { greedySampling, plainRequest } from '../../src/engine/plain-request.ts'
import { ModelRunner } from '../../src/engine/worker/model-runner.ts'
import type { Kernels } from '../../src/kernels/binding.ts'
import type { ModelConfig } from '../../src/model/model-config.ts'
import { uniform } from '../helpers/random-model.ts'
import type { BenchModel } from './bench-context.ts'
import { secondsOf } from './statistics.ts'

const LIMITS = {
	rowsMax: 256,
	readingRowsMax: 64,
	sequencesMax: 128,
} as const

/** Two KV blocks for each of 128 streams of the largest model. */
const KV_BYTES_MAX = 640 * 2 ** 20

/** Tokens that a stream decodes at most, from an empty context: `llama-bench` counts so, too. */
export const DECODE_TOKENS = 128

/** Prompt from which streams decode: one token, so that one step reads the prompts of all. */
const SEED_TOKENS = 1

/** What the server samples with unless a request says otherwise. */
const SAMPLING = { ...greedySampling, temperature: 0.7, topK: 40 }

/** The engine's model runner in this process, without worker, queue and HTTP. */
export class BenchRunner {
	readonly config: ModelConfig
	readonly #runner: ModelRunner
	readonly #next = uniform(7)
	#lastId = 0

	constructor(
		kernels: Kernels,
		model: BenchModel & {
			/** Ids that can be drawn; default: all. */
			readonly tokenCount?: number
		},
		{
			kvBytesMax = KV_BYTES_MAX,
			guesses = false,
		}: { readonly kvBytesMax?: number; readonly guesses?: boolean } = {},
	) {
		const { config, dtype, arena, tokenCount = config.vocabSize } = model
		this.config = config
		const weightBytesMin = guesses ? 0 : Number.POSITIVE_INFINITY
		const limits = {
			...LIMITS,
			kvBytesMax,
			guessing: { weightBytesMin, costs: 'measured' },
		} as const
		const loaded = { modelKey: 0, config, tokenCount, dtype, arena, limits }
		this.#runner = new ModelRunner(kernels, loaded)
	}

	/** Seconds of `steps` steps in which `streams` streams decode one token each. */
	decode(streams: number, steps: number): number {
		for (let i = 0; i < streams; i++) {
			const promptTokenIds = this.randomTokens(SEED_TOKENS)
			this.#submit({ promptTokenIds, maxTokens: steps + 2 })
		}
		// One step reads the prompts, which gives the first tokens; from then on all decode.
		this.#step(streams)
		const seconds = secondsOf(() => {
			for (let i = 0; i < steps; i++) this.#step(streams)
		})
		this.#runner.abortAll()
		return seconds
	}

	/** Seconds from a prompt of so many random tokens to the first token. */
	prefill(tokens: number): number {
		return this.read(this.randomTokens(tokens))
	}

	/** Seconds from a prompt to the first token. */
	read(promptTokenIds: readonly number[]): number {
		this.#submit({ promptTokenIds, maxTokens: 1 })
		return secondsOf(() => {
			while (this.#runner.step()) {}
		})
	}

	/** One text of so many tokens, how long it took, and in how many steps. */
	write(
		tokens: number,
		sampling: Partial<typeof SAMPLING> & { readonly seed: number },
	): { readonly tokenIds: readonly number[]; readonly seconds: number; readonly steps: number } {
		const tokenIds: number[] = []
		let steps = 0
		this.#submit({
			promptTokenIds: [0],
			maxTokens: tokens,
			sampling: { ...SAMPLING, ...sampling },
		})
		const seconds = secondsOf(() => {
			for (let report = this.#runner.step(); report; report = this.#runner.step()) {
				for (const { tokenId } of report.tokens) tokenIds.push(tokenId)
				steps++
			}
		})
		return { tokenIds, seconds, steps }
	}

	/** So many texts of so many tokens, with seeds from 0 on, as many of them at once as there is memory for. */
	writeTogether(texts: number, tokens: number, sampling: Partial<typeof SAMPLING>): void {
		for (let seed = 0; seed < texts; seed++) {
			const drawn = { ...SAMPLING, ...sampling, seed }
			this.#submit({ promptTokenIds: [0], maxTokens: tokens, sampling: drawn })
		}
		while (this.#runner.step()) {}
	}

	/** The most likely next tokens after a prompt, best first. */
	nextLogprobs(promptTokenIds: readonly number[]): readonly (readonly [number, number])[] {
		this.#submit({ promptTokenIds, logprobs: TOP_LOGPROBS_MAX })
		let top: readonly (readonly [number, number])[] = []
		for (let report = this.#runner.step(); report; report = this.#runner.step()) {
			top = report.tokens[0]?.logprob?.top ?? top
		}
		return top
	}

	/** Log-probability of each token but the first, given those before it. */
	score(promptTokenIds: readonly number[]): number[] {
		this.#submit({ promptTokenIds, maxTokens: 0, promptLogprobs: 0 })
		const scores: number[] = []
		for (let report = this.#runner.step(); report; report = this.#runner.step()) {
			for (const entry of report.prompts.flatMap(({ logprobs }) => logprobs ?? [])) {
				if (entry) scores.push(entry.logprob)
			}
		}
		return scores
	}

	randomTokens(count: number): number[] {
		return Array.from({ length: count }, () => Math.floor(this.#next() * this.config.vocabSize))
	}

	#step(streams: number): void {
		const tokens = this.#runner.step()?.tokens.length ?? 0
		if (tokens !== streams) throw new Error(`expected a step of ${streams} tokens, got ${tokens}`)
	}

	#submit(changes: Partial<GenerationRequest> & Pick<GenerationRequest, 'promptTokenIds'>): void {
		const sampling = { ...SAMPLING, seed: ++this.#lastId }
		this.#runner.submit(this.#lastId, plainRequest({ maxTokens: 1, sampling, ...changes }))
	}
}
