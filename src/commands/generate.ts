import {
	generateTemperatureDefault,
	generateTokensMax,
	temperatureMax,
	topKDefault,
} from '../alpha/limits.ts'
import type { GenerationRequest } from '../engine/generation.ts'
import { greedySampling, plainRequest } from '../engine/plain-request.ts'
import type { ModelLease } from '../models/catalog.ts'
import { promptOrStart } from '../text/prompt.ts'
import type { Command, CommandContext } from './command.ts'
import { serveOptions } from './config.ts'
import { readMachine } from './machine.ts'
import {
	formatHelp,
	integerOption,
	numberOption,
	parseOptions,
	UsageError,
	type Values,
} from './options.ts'
import { startRuntime, withServeDefaults } from './runtime.ts'

/** How to sample: as `POST /api/generate` does, but a screenful of tokens by default. */
const samplingOptions = {
	maxTokens: integerOption({
		flag: '--max-tokens',
		min: 1,
		max: generateTokensMax,
		defaultValue: 200,
		help: 'tokens to generate',
	}),
	temperature: numberOption({
		flag: '--temperature',
		min: 0,
		max: temperatureMax,
		defaultValue: generateTemperatureDefault,
		help: '0 always takes the likeliest token',
	}),
	topK: integerOption({
		flag: '--top-k',
		min: 0,
		max: 2 ** 31 - 1,
		defaultValue: topKDefault,
		help: 'draw from the k likeliest tokens; 0 from all',
	}),
	topP: numberOption({
		flag: '--top-p',
		min: 0,
		max: 1,
		defaultValue: 1,
		help: 'draw from the likeliest tokens of this probability mass',
	}),
	seed: integerOption({
		flag: '--seed',
		min: 0,
		max: Number.MAX_SAFE_INTEGER,
		defaultValue: null,
		defaultText: 'random',
		help: 'the same seed gives the same text',
	}),
}

/** The options of `generate`: how to sample, and those of the server that decide what is computed. */
function generateOptions() {
	const { checkpoints, threads, isa, dtype, embeddedModel } = serveOptions(readMachine())
	return { ...samplingOptions, checkpoints, threads, isa, dtype, embeddedModel }
}

export const generateCommand: Command = {
	name: 'generate',
	usage: 'MODEL PROMPT',
	summary: 'continue PROMPT and stream the text to the terminal',
	optionsHelp: () => formatHelp(generateOptions()),
	async run(context) {
		const { values, positionals } = parseOptions(generateOptions(), context)
		const [model, ...words] = positionals
		if (model === undefined || words.length === 0) {
			throw new UsageError('expected MODEL and PROMPT: alpha generate MODEL PROMPT')
		}
		const config = withServeDefaults(values, context)
		await using runtime = await startRuntime(config, context, (level, message) => {
			if (level === 'error') context.warn(`${message}\n`)
		})
		using lease = await runtime.catalog.acquire(model)
		await streamText(lease, words.join(' '), values, context)
		return 0
	},
}

async function streamText(
	lease: ModelLease,
	prompt: string,
	options: Values<typeof samplingOptions>,
	context: CommandContext,
): Promise<void> {
	const controller = new AbortController()
	void context.stopRequested.then(() => controller.abort())
	const decoder = lease.tokenizer.createDecoder()
	context.print(prompt)
	for await (const event of lease.generate(toRequest(lease, prompt, options), controller.signal)) {
		if (event.type === 'token') context.print(decoder.push(event.tokenId))
	}
	context.print(`${decoder.flush()}\n`)
}

function toRequest(
	lease: ModelLease,
	prompt: string,
	options: Values<typeof samplingOptions>,
): GenerationRequest {
	const { maxTokens, temperature, topK, topP, seed } = options
	const sampling = { ...greedySampling, temperature, topK, topP }
	return plainRequest({
		...promptOrStart(lease.tokenizer.encode(prompt), lease.tokenizer.startTokenId),
		maxTokens,
		sampling: {
			...sampling,
			seed: seed ?? crypto.getRandomValues(new Uint32Array(1))[0]!,
		},
	})
}
