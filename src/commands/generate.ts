import { toGenerateTextRequest } from '../alpha/requests.ts'
import type { ModelLease } from '../models/catalog.ts'
import type { TextRequest } from '../text/text-request.ts'
import type { Command } from './command.ts'
import { UsageError } from './settings/option.ts'
import { parseOptions } from './settings/options.ts'
import { readInput } from './talk/input.ts'
import { modelOptions, openLocalModel, printAnswer } from './talk/local-model.ts'
import { drawFields, type Sampling, samplingOptions } from './talk/sampling-options.ts'

function generateOptions() {
	return { ...samplingOptions, ...modelOptions() }
}

export const generateCommand: Command = {
	name: 'generate',
	usage: 'MODEL PROMPT',
	summary: 'continue PROMPT, or what is piped in where it is -, and stream the text',
	options: generateOptions,
	completes: ['model'],
	async run(context) {
		const { values, origins, positionals } = parseOptions(generateOptions(), context)
		const [model, ...words] = positionals
		if (model === undefined || words.length === 0) {
			throw new UsageError('expected MODEL and PROMPT: alpha generate MODEL PROMPT')
		}
		const prompt =
			words.length === 1 && words[0] === '-' ? await readInput(context) : words.join(' ')
		await using local = await openLocalModel(model, values, { context, isaOrigin: origins.isa })
		context.print(prompt)
		return await printAnswer(local.lease, await toRequest(local.lease, prompt, values), context)
	},
}

async function toRequest(
	{ tokenizer }: ModelLease,
	prompt: string,
	sampling: Sampling,
): Promise<TextRequest> {
	const { seed, ...fields } = drawFields(sampling)
	const asked = { prompt, max_tokens: sampling.maxTokens, ...fields }
	const request = await toGenerateTextRequest(asked, { tokenizer, seed })
	// Printed behind the prompt.
	return { ...request, textBefore: prompt }
}
