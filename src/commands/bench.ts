import { plainRequest } from '../engine/plain-request.ts'
import type { ModelLease } from '../models/catalog.ts'
import type { Command } from './command.ts'
import { UsageError } from './settings/option.ts'
import { integerOption, switchOption } from './settings/option-kinds.ts'
import { parseOptions } from './settings/options.ts'
import { modelOptions, openLocalModel, stopSignal } from './talk/local-model.ts'

const ROUNDS = 3
const TOKENS = 128

function benchOptions() {
	return {
		streams: integerOption({
			flag: '--streams',
			min: 1,
			max: 128,
			defaultValue: 1,
			help: 'texts that are written at the same time',
		}),
		json: switchOption({ flag: '--json', help: 'the figures as JSON' }),
		...modelOptions(),
	}
}

export const benchCommand: Command = {
	name: 'bench',
	usage: 'MODEL',
	summary: 'what this machine does with a model: tokens per second read and written',
	options: benchOptions,
	completes: ['model'],
	async run(context) {
		const { values, origins, positionals } = parseOptions(benchOptions(), context)
		const [model, ...rest] = positionals
		if (model === undefined || rest.length > 0)
			throw new UsageError('expected a model: alpha bench MODEL')
		await using local = await openLocalModel(model, values, { context, isaOrigin: origins.isa })
		const stop = stopSignal(context)
		const rounds: Round[] = []
		for (let round = 0; round <= ROUNDS; round++) {
			const measured = await measure(local.lease, values.streams, round, stop.signal)
			if (stop.signal.aborted) return stop.status()
			// The first meets cold memory.
			if (round > 0) rounds.push(measured)
		}
		const { isaName } = local.runtime
		const { dtype, threads, streams } = values
		const facts = {
			model: local.lease.id,
			isa: isaName,
			dtype,
			threads,
			streams,
			...medians(rounds),
		}
		context.print(values.json ? `${JSON.stringify(facts)}\n` : formatFacts(facts))
		return 0
	},
}

interface Round {
	/** Until the prompt has been read and the first token drawn. */
	readonly firstTokenMs: number
	readonly promptTokensPerSecond: number
	readonly tokensPerSecond: number
}

/** Each stream reads a prompt of its own and writes. `round` keeps what earlier ones left in the cache from being used. */
async function measure(
	lease: ModelLease,
	streams: number,
	round: number,
	signal: AbortSignal,
): Promise<Round> {
	const { contextLength, vocabSize } = lease.config
	const promptTokens = Math.max(1, Math.min(TOKENS, Math.floor(contextLength / 2)))
	const startedAt = performance.now()
	const runs = Array.from({ length: streams }, async (_, stream) => {
		const seed = round * streams + stream
		const promptTokenIds = Array.from(
			{ length: promptTokens },
			(__, i) => (i * 7919 + seed * 104_729) % vocabSize,
		)
		const request = plainRequest({ promptTokenIds, maxTokens: TOKENS, cacheSalt: seed })
		let firstAt = 0
		let tokens = 0
		for await (const event of lease.generate(request, signal)) {
			if (event.type !== 'token') continue
			firstAt ||= performance.now()
			tokens++
		}
		return { firstAt, tokens }
	})
	const done = await Promise.all(runs)
	const endedAt = performance.now()
	const lastFirstAt = Math.max(...done.map(({ firstAt }) => firstAt))
	const firstTokenMs = lastFirstAt - startedAt
	const written = done.reduce((sum, { tokens }) => sum + tokens - 1, 0)
	return {
		firstTokenMs,
		promptTokensPerSecond: (streams * promptTokens * 1000) / firstTokenMs,
		tokensPerSecond: (written * 1000) / (endedAt - lastFirstAt),
	}
}

function medians(rounds: readonly Round[]): Round {
	const median = (of: (round: Round) => number) =>
		rounds.map(of).sort((a, b) => a - b)[Math.floor(rounds.length / 2)]!
	return {
		firstTokenMs: median(({ firstTokenMs }) => firstTokenMs),
		promptTokensPerSecond: median(({ promptTokensPerSecond }) => promptTokensPerSecond),
		tokensPerSecond: median(({ tokensPerSecond }) => tokensPerSecond),
	}
}

function formatFacts(
	facts: Round & { model: string; isa: string; dtype: string; threads: number; streams: number },
): string {
	const { model, isa, dtype, threads, streams } = facts
	const rate = (tokens: number) => (tokens < 100 ? tokens.toFixed(1) : String(Math.round(tokens)))
	const count = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`
	return `${model}, ${dtype}, ${isa}, ${count(threads, 'thread')}, ${count(streams, 'stream')}: reads ${rate(facts.promptTokensPerSecond)} tokens/s, writes ${rate(facts.tokensPerSecond)} tokens/s, first token ${facts.firstTokenMs.toFixed(1)} ms\n`
}
