import type { LoadedCheckpoint } from '../checkpoint/load/checkpoint-info.ts'
import type { Engine } from '../engine/engine.ts'
import type { TokenLogprob } from '../engine/generation.ts'
import { greedySampling, plainRequest } from '../engine/plain-request.ts'
import type { ModelConfig } from '../model/model-config.ts'
import { serveModel } from './lease.ts'

/** What computing by another config changes, on some texts. */
export interface ConfigDifference {
	readonly tokens: number
	/** Largest difference of a log-probability. */
	readonly logprobMax: number
	/** Share of positions with another likeliest token, 0 … 1. */
	readonly changedShare: number
}

/** Texts of its own that a model is compared on when there are no others. */
const OWN_TEXTS = 8
/** Most texts of a context's length that are scored. */
const TEXTS_MAX = 32

/**
 * Scores texts with the weights' own config and with `config`, which has the same weights; `tokenIds` are cut
 * into texts of the context's length, null = texts of the model's own.
 */
export async function measureDifference(
	engine: Engine,
	loaded: LoadedCheckpoint,
	config: ModelConfig,
	tokenIds: readonly number[] | null,
): Promise<ConfigDifference> {
	const { contextLength } = config
	const own = await serveModel(engine, loaded)
	const other = await serveModel(engine, { ...loaded, config })
	const texts =
		tokenIds === null
			? await ownTexts(engine, own.modelKey, own.tokenizer.startTokenId, contextLength)
			: windowsOf(tokenIds, contextLength)
	let [tokens, logprobMax, changed] = [0, 0, 0]
	for (const text of texts) {
		const [a, b] = await Promise.all(
			[own, other].map(({ modelKey }) => scores(engine, modelKey, text)),
		)
		for (const [i, score] of (a ?? []).entries()) {
			const compared = b?.[i]
			// The first token of a text follows nothing and has no score.
			if (score === null || compared === null || compared === undefined) continue
			tokens++
			logprobMax = Math.max(logprobMax, Math.abs(score.logprob - compared.logprob))
			if (score.top[0]?.[0] !== compared.top[0]?.[0]) changed++
		}
	}
	await Promise.all([own, other].map(({ modelKey }) => engine.unload(modelKey)))
	return { tokens, logprobMax, changedShare: tokens === 0 ? 0 : changed / tokens }
}

async function ownTexts(engine: Engine, modelKey: number, start: number, contextLength: number) {
	const texts: number[][] = Array.from({ length: OWN_TEXTS }, () => [start])
	const stream = engine.generate(
		modelKey,
		plainRequest({
			promptTokenIds: [start],
			maxTokens: contextLength - 1,
			n: OWN_TEXTS,
			sampling: { ...greedySampling, temperature: 1, seed: 1 },
		}),
	)
	for await (const event of stream) {
		if (event.type === 'token') texts[event.choice]?.push(event.tokenId)
	}
	return texts
}

function windowsOf(tokenIds: readonly number[], contextLength: number): (readonly number[])[] {
	const count = Math.min(TEXTS_MAX, Math.ceil(tokenIds.length / contextLength))
	return Array.from({ length: count }, (_, i) =>
		tokenIds.slice(i * contextLength, (i + 1) * contextLength),
	)
}

async function scores(
	engine: Engine,
	modelKey: number,
	promptTokenIds: readonly number[],
): Promise<readonly (TokenLogprob | null)[]> {
	const request = plainRequest({ promptTokenIds, maxTokens: 0, promptLogprobs: 1 })
	for await (const event of engine.generate(modelKey, request)) {
		if (event.type === 'prompt') return event.logprobs ?? []
	}
	return []
}
