import type { ModelLease } from '../models/catalog.ts'
import { tokenPrompt } from '../text/prompt.ts'
import { TextGeneration } from '../text/text-generation.ts'
import { textRequest } from '../text/text-request.ts'
import { type Command, CommandError } from './command.ts'
import { UsageError } from './settings/option.ts'
import { integerOption, switchOption } from './settings/option-kinds.ts'
import { parseOptions } from './settings/options.ts'
import { readText } from './talk/input.ts'
import { modelOptions, openLocalModel, stopSignal } from './talk/local-model.ts'

function scoreOptions() {
	return {
		stride: integerOption({
			flag: '--stride',
			min: 1,
			max: 2 ** 20,
			defaultValue: null,
			defaultText: 'half the context',
			help: 'tokens scored in one window behind the first; fewer give each more to go by',
		}),
		json: switchOption({ flag: '--json', help: 'the figures as JSON' }),
		...modelOptions(),
	}
}

export const scoreCommand: Command = {
	name: 'score',
	usage: 'MODEL FILE',
	summary: 'how well a model knows a text: perplexity and bits per character',
	options: scoreOptions,
	completes: ['model', 'file'],
	async run(context) {
		const { values, origins, positionals } = parseOptions(scoreOptions(), context)
		const [model, path, ...rest] = positionals
		if (model === undefined || path === undefined || rest.length > 0) {
			throw new UsageError(
				'expected a model and a text: alpha score MODEL FILE, or - for standard input',
			)
		}
		const text = await readText(path, context)
		await using local = await openLocalModel(model, values, { context, isaOrigin: origins.isa })
		const stop = stopSignal(context)
		const score = await scoreText(text, local.lease, values.stride, stop.signal)
		if (score === null) return stop.status()
		if (score.charactersRead < score.charactersGiven) {
			const missing = score.charactersGiven - score.charactersRead
			context.warn(`alpha: ${missing} characters are none of the model's and were left out\n`)
		}
		context.print(values.json ? `${JSON.stringify(toJson(score), null, 2)}\n` : formatScore(score))
		return 0
	},
}

interface Score {
	readonly model: string
	readonly context: number
	readonly stride: number
	/** All but the first of a text without a start token, before which there is nothing to go by. */
	readonly scoredTokens: number
	/** Sum of the negative log-likelihoods, nats. */
	readonly nats: number
	/** Code points and bytes that the scored tokens stand for. */
	readonly scoredCharacters: number
	readonly scoredBytes: number
	readonly charactersGiven: number
	readonly charactersRead: number
	readonly seconds: number
}

/** Null when it was stopped. Throws CommandError for a text of fewer than two tokens. */
async function scoreText(
	text: string,
	lease: ModelLease,
	givenStride: number | null,
	signal: AbortSignal,
): Promise<Score | null> {
	const { tokenizer, config } = lease
	const { contextLength } = config
	const stride = Math.min(givenStride ?? Math.ceil(contextLength / 2), contextLength)
	const textIds = tokenizer.encodePlain(text)
	const ids = [...tokenizer.promptPrefix, ...textIds]
	if (ids.length < 2) throw new CommandError(1, 'expected a text of at least two tokens')
	const startedAt = performance.now()
	let nats = 0
	for (const { start, end, scoredFrom } of windowsOf(ids.length, contextLength, stride)) {
		const logprobs = await promptLogprobs(lease, ids.slice(start, end), signal)
		if (logprobs === null) return null
		for (const logprob of logprobs.slice(scoredFrom - start)) nats -= logprob
	}
	const seconds = (performance.now() - startedAt) / 1000
	const read = tokenizer.decode(textIds)
	// A start token is no part of the text; without one the first token is not scored.
	const scored =
		tokenizer.promptPrefix.length > 0 ? read : read.slice(tokenizer.decode(ids.slice(0, 1)).length)
	return {
		model: lease.id,
		context: contextLength,
		stride,
		scoredTokens: ids.length - 1,
		nats,
		scoredCharacters: codePoints(scored),
		scoredBytes: Buffer.byteLength(scored),
		charactersGiven: codePoints(text),
		charactersRead: codePoints(read),
		seconds,
	}
}

/** A stretch of tokens that the model reads at once, and the first of them that counts. */
export interface Window {
	readonly start: number
	readonly end: number
	readonly scoredFrom: number
}

/** Windows that score each of `length` tokens but the first once, those behind the first with all the context that fits. */
export function* windowsOf(
	length: number,
	contextLength: number,
	stride: number,
): Generator<Window> {
	let scoredFrom = 1
	let end = Math.min(length, contextLength)
	for (;;) {
		yield { start: Math.max(0, end - contextLength), end, scoredFrom }
		if (end === length) return
		scoredFrom = end
		// One token of each window has nothing before it.
		end = Math.min(length, end + Math.min(stride, contextLength - 1))
	}
}

/** Natural logarithms of the probability of each token after those before it; NaN for the first. Null: stopped. */
async function promptLogprobs(
	lease: ModelLease,
	tokenIds: readonly number[],
	signal: AbortSignal,
): Promise<number[] | null> {
	const { tokenizer } = lease
	const request = textRequest(tokenPrompt(tokenIds, '', tokenizer), tokenizer, {
		maxTokens: 0,
		promptLogprobs: 0,
	})
	const generation = new TextGeneration(lease.generate(request.generation, signal), {
		request,
		tokenizer,
	})
	const result = await generation.result()
	if (result === null || result.promptLogprobs === null) return null
	return result.promptLogprobs.map((each) => each?.logprob ?? Number.NaN)
}

function codePoints(text: string): number {
	let count = 0
	for (const _ of text) count++
	return count
}

function figures({ nats, scoredTokens, scoredCharacters, scoredBytes }: Score) {
	const bits = nats / Math.LN2
	return {
		nats_per_token: nats / scoredTokens,
		perplexity: Math.exp(nats / scoredTokens),
		bits_per_character: bits / scoredCharacters,
		bits_per_byte: bits / scoredBytes,
	}
}

function toJson(score: Score) {
	const { model, context, stride, scoredTokens, scoredCharacters, seconds } = score
	return {
		model,
		tokens: scoredTokens,
		characters: scoredCharacters,
		...figures(score),
		context,
		stride,
		seconds,
		tokens_per_second: scoredTokens / seconds,
	}
}

function formatScore(score: Score): string {
	const { perplexity, bits_per_character: bits, nats_per_token: nats } = figures(score)
	const { model, scoredTokens, scoredCharacters } = score
	return `${model}: perplexity ${perplexity.toFixed(4)}, ${bits.toFixed(4)} bits per character, ${nats.toFixed(4)} nats per token (${scoredTokens} tokens, ${scoredCharacters} characters)\n`
}
