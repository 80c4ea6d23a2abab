import { generateTemperatureDefault } from '../alpha/limits.ts'
import { toGenerateTextRequest } from '../alpha/requests.ts'
import type { ModelLease } from '../models/catalog.ts'
import { TextGeneration } from '../text/text-generation.ts'
import type { TextRequest } from '../text/text-request.ts'
import { completionTokensMax, int32Max, temperatureMax, topKDefault } from '../wire/limits.ts'
import type { Command, CommandContext } from './command.ts'
import { serveOptions } from './config.ts'
import { readMachine } from './machine.ts'
import { UsageError } from './option.ts'
import { integerOption, numberOption } from './option-kinds.ts'
import { parseOptions, type Values } from './options.ts'
import { startRuntime, withServeDefaults } from './runtime.ts'

/** How to sample: as `POST /api/generate`, but for a screenful of tokens by default. */
const samplingOptions = {
	maxTokens: integerOption({
		flag: '--max-tokens',
		min: 1,
		max: completionTokensMax,
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
		max: int32Max,
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
	const { config, checkpoints, threads, isa, dtype, embeddedModel } = serveOptions(readMachine())
	return { ...samplingOptions, config, checkpoints, threads, isa, dtype, embeddedModel }
}

export const generateCommand: Command = {
	name: 'generate',
	usage: 'MODEL PROMPT',
	summary: 'continue PROMPT and stream the text to the terminal',
	options: generateOptions,
	async run(context) {
		const { values, origins, positionals } = parseOptions(generateOptions(), context)
		const [model, ...words] = positionals
		if (model === undefined || words.length === 0) {
			throw new UsageError('expected MODEL and PROMPT: alpha generate MODEL PROMPT')
		}
		const config = withServeDefaults(values, context)
		await using runtime = await startRuntime(
			{ ...config, isaOrigin: origins.isa },
			context,
			(level, message) => {
				if (level === 'error') context.warn(`${message}\n`)
			},
		)
		using lease = await runtime.catalog.acquire(model)
		const prompt = words.join(' ')
		context.print(prompt)
		return await printText(lease, await toRequest(lease, prompt, values), context)
	},
}

/** Prints what is generated as it comes, up to its end or a request to stop; the exit status. */
async function printText(
	lease: ModelLease,
	request: TextRequest,
	{ print, stopRequested }: CommandContext,
): Promise<number> {
	let status = 0
	const controller = new AbortController()
	void stopRequested.then((stopStatus) => {
		status = stopStatus
		controller.abort()
	})
	const generation = new TextGeneration(lease.generate(request.generation, controller.signal), {
		request,
		tokenizer: lease.tokenizer,
	})
	for await (const events of generation.batches()) {
		for (const event of events) if (event.type === 'text') print(event.text)
	}
	print('\n')
	return status
}

async function toRequest(
	{ tokenizer }: ModelLease,
	prompt: string,
	{ maxTokens, temperature, topK, topP, seed }: Values<typeof samplingOptions>,
): Promise<TextRequest> {
	const asked = { prompt, max_tokens: maxTokens, temperature, topk: topK, topp: topP }
	const freshSeed = crypto.getRandomValues(new Uint32Array(1))[0]!
	const request = await toGenerateTextRequest(asked, { tokenizer, seed: seed ?? freshSeed })
	// Printed behind the prompt.
	return { ...request, textBefore: prompt }
}
