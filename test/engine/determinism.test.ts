/*
 * The promise that is kept everywhere: the tokens and log-probabilities of an answer depend on nothing but
 * checkpoint, dtype and request. Every variation must give the same hash as the request alone in
 * a cold engine.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { LoadedCheckpoint } from '../../src/checkpoint/load/checkpoint-info.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { GenerationRequest } from '../../src/engine/generation.ts'
import { openKernels } from '../../src/kernels/binding.ts'
import { loadNetwork } from '../helpers/families.ts'
import { loadTrained, trainedModels } from '../helpers/fixtures.ts'
import { uniform } from '../helpers/random-model.ts'
import {
	complete,
	libraryPath,
	startEngine,
	type TestEngineOptions,
	type Transcript,
} from '../helpers/test-engine.ts'
import { generationRequest, greedy } from './requests.ts'

const kernels = openKernels(libraryPath)
kernels.select('')

const dtypes = ['f32', 'bf16', 'int8'] as const
const ours = trainedModels().flatMap((model) =>
	dtypes.map((dtype) => ({
		name: `${model.name} in ${dtype}`,
		loaded: loadTrained(kernels, model, dtype),
	})),
)

/** Of other trainers: what ours do not have, each once. */
const theirs = (
	[
		['gpt2-fp16', 'int8'],
		['nanogpt-char-origmod', 'bf16'],
		['gptneo', 'f32'],
		['mistral-swa', 'f32'],
		['qwen3', 'bf16'],
		['neox-parallel', 'f32'],
	] as const
).map(([name, dtype]) => ({
	name: `${name} in ${dtype}`,
	loaded: loadNetwork(kernels, name, dtype),
}))

const models = [...ours, ...theirs]

interface LoadedModel {
	readonly name: string
	readonly key: number
	readonly contextLength: number
	readonly requests: readonly GenerationRequest[]
}

/** Greedy; sampled with everything on; choices that roll soon, and one that rolls after a while; scoring only. */
function requestsFor({ config }: Pick<LoadedCheckpoint, 'config'>): GenerationRequest[] {
	const next = uniform(config.vocabSize)
	const prompt = (length: number) =>
		Array.from({ length }, () => Math.floor(next() * config.vocabSize))
	return [
		generationRequest(prompt(9), { maxTokens: 24, logprobs: 2 }),
		generationRequest(prompt(Math.min(70, config.contextLength - 2)), {
			maxTokens: 20,
			logprobs: 0,
			sampling: {
				...greedy,
				temperature: 0.9,
				topP: 0.95,
				minP: 0.001,
				repetitionPenalty: 1.1,
				presencePenalty: 0.2,
				frequencyPenalty: 0.1,
				logitBias: [[1, 0.5]],
				seed: 2 ** 40 + 7,
			},
		}),
		generationRequest(prompt(config.contextLength - 3), {
			n: 2,
			maxTokens: 12,
			logprobs: 1,
			sampling: { ...greedy, temperature: 1, topK: 40, seed: 5 },
		}),
		generationRequest(prompt(5), {
			maxTokens: config.contextLength + 10,
			sampling: { ...greedy, temperature: 1, topK: 40, seed: 6 },
		}),
		generationRequest(prompt(20), { maxTokens: 0, promptLogprobs: 3 }),
	]
}

async function startWithModels(options: TestEngineOptions) {
	const engine = await startEngine({ kvBytesMax: 2 ** 25, ...options })
	const loaded: LoadedModel[] = []
	for (const { name, loaded: checkpoint } of models) {
		const { config, dtype, arena } = checkpoint
		const key = await engine.load({ config, tokenCount: config.vocabSize, dtype, arena })
		const requests = requestsFor(checkpoint)
		loaded.push({ name, key, contextLength: config.contextLength, requests })
	}
	return { engine, loaded }
}

/** What must not change: tokens, log-probabilities and reasons, but not what came from the cache. */
function digest(transcripts: readonly Transcript[]): string {
	const told = transcripts.map(({ cachedTokens: _, ...rest }) => rest)
	return Bun.hash(JSON.stringify(told)).toString(16)
}

/** Every model's requests one after another. */
async function digestsAlone(
	engine: Engine,
	loaded: readonly LoadedModel[],
): Promise<Map<string, string>> {
	const digests = new Map<string, string>()
	for (const model of loaded) {
		const transcripts: Transcript[] = []
		for (const request of model.requests) {
			transcripts.push(await complete(engine, model, request))
		}
		digests.set(model.name, digest(transcripts))
	}
	return digests
}

let reference: Map<string, string>

beforeAll(async () => {
	const { engine, loaded } = await startWithModels({})
	reference = await digestsAlone(engine, loaded)
	engine.close()
}, 60_000)

describe('an answer does not depend on', () => {
	test.each<[string, TestEngineOptions]>([
		['a second thread', { threads: 2 }],
		['a third thread', { threads: 3 }],
		['guesses at the next tokens', { guessing: { weightBytesMin: 0, costs: 'assumed' } }],
		[
			'guesses within chunks of 7 tokens',
			{
				rowsMax: 7,
				readingRowsMax: 7,
				sequencesMax: 4,
				guessing: { weightBytesMin: 0, costs: 'assumed' },
			},
		],
		['chunks of 7 tokens', { rowsMax: 7, readingRowsMax: 7, sequencesMax: 4 }],
		['chunks of 64 tokens', { rowsMax: 64 }],
		...kernels
			.isaList()
			.filter((isa) => kernels.isaSupported(isa))
			.map((isa): [string, TestEngineOptions] => [`the instruction set (${isa})`, { isa }]),
	])(
		'%s',
		async (_, options) => {
			const { engine, loaded } = await startWithModels(options)
			const digests = await digestsAlone(engine, loaded)
			engine.close()
			expect(digests).toEqual(reference)
		},
		120_000,
	)

	describe('what else the engine does, guesses included:', () => {
		let engine: Engine
		let loaded: LoadedModel[]

		beforeAll(async () => {
			const started = await startWithModels({
				threads: 2,
				queueLengthMax: 4096,
				guessing: { weightBytesMin: 0, costs: 'assumed' },
			})
			engine = started.engine
			loaded = started.loaded
		}, 60_000)
		afterAll(() => engine.close())

		test('a prompt that is in the prefix cache', async () => {
			expect(await digestsAlone(engine, loaded)).toEqual(reference)
			expect(await digestsAlone(engine, loaded)).toEqual(reference)
			expect(engine.stats.cachedTokensTotal).toBeGreaterThan(0)
			const { generatedTokensTotal, stepsTotal } = engine.stats
			expect(stepsTotal).toBeLessThan(generatedTokensTotal)
		}, 120_000)

		test('63 random neighbours', async () => {
			for (const model of loaded) {
				const neighbours = startNeighbours(engine, model, 63)
				const transcripts = await Promise.all(
					model.requests.map((request) => complete(engine, model, request)),
				)
				for (const neighbour of neighbours) neighbour.abort()
				expect([model.name, digest(transcripts)]).toEqual([model.name, reference.get(model.name)!])
			}
		}, 240_000)

		test('1,000 aborted requests', async () => {
			const next = uniform(99)
			const running: { abort(): void }[] = []
			const answers = loaded.map((model) =>
				Promise.all(model.requests.map((request) => complete(engine, model, request))),
			)
			for (let i = 0; i < 1000; i++) {
				const model = loaded[Math.floor(next() * loaded.length)]!
				running.push(...startNeighbours(engine, model, 1, i))
				if (next() < 0.6) running.splice(Math.floor(next() * running.length), 1)[0]!.abort()
				if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
			}
			for (const request of running) request.abort()
			for (const [i, model] of loaded.entries()) {
				expect([model.name, digest(await answers[i]!)]).toEqual([
					model.name,
					reference.get(model.name)!,
				])
			}
			await complete(engine, loaded[0]!, generationRequest([1], { maxTokens: 1 }))
			expect(engine.stats.kvBlocksUsed).toBe(0)
		}, 240_000)
	})
})

/** Requests with random prompts, lengths and seeds. */
function startNeighbours(engine: Engine, model: LoadedModel, count: number, seed = 1) {
	const next = uniform(seed * 7919 + model.key)
	return Array.from({ length: count }, (_, i) => {
		const length = 1 + Math.floor(next() * (model.contextLength - 2))
		const prompt = Array.from({ length }, () => Math.floor(next() * 30))
		const sampling = { ...greedy, temperature: 1, seed: i }
		const maxTokens = 1 + Math.floor(next() * 60)
		const request = generationRequest(prompt, { maxTokens, sampling })
		return engine.generate(model.key, request)
	})
}
