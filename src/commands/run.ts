import type { ModelLease } from '../models/catalog.ts'
import type { Command, CommandContext } from './command.ts'
import { UsageError } from './settings/option.ts'
import { parseOptions } from './settings/options.ts'
import { Conversation } from './talk/conversation.ts'
import { readInput } from './talk/input.ts'
import { modelOptions, openLocalModel, printAnswer } from './talk/local-model.ts'
import { talk } from './talk/repl.ts'
import { type TalkSettings, talkOptions } from './talk/talk-options.ts'

function runOptions() {
	return { ...talkOptions, ...modelOptions() }
}

export const talkCommand: Command = {
	name: 'run',
	aliases: ['chat'],
	usage: 'MODEL [PROMPT]',
	summary: 'talk to a model, or ask it once: with PROMPT, or with what is piped in',
	options: runOptions,
	completes: ['model'],
	async run(context) {
		const { values, origins, positionals } = parseOptions(runOptions(), context)
		const [model, ...words] = positionals
		if (model === undefined) throw new UsageError('expected a model: alpha run MODEL [PROMPT]')
		const isTalk = words.length === 0 && context.openInput().isTTY === true && context.screen.isTTY
		const prompt = isTalk ? '' : await onePrompt(words, context)
		await using local = await openLocalModel(model, values, { context, isaOrigin: origins.isa })
		if (isTalk) return await talk(local.lease, values, context)
		return await answerOnce(local.lease, prompt, values, context)
	},
}

/** The words of the command line, and behind them what is piped in. */
async function onePrompt(words: readonly string[], context: CommandContext): Promise<string> {
	if (words.length > 0 && words[0] !== '-') return words.join(' ')
	const text = await readInput(context)
	if (text === '') throw new UsageError('expected a prompt on standard input, got nothing')
	return text
}

async function answerOnce(
	lease: ModelLease,
	prompt: string,
	settings: TalkSettings,
	context: CommandContext,
): Promise<number> {
	const request = await new Conversation(lease).ask(prompt, settings)
	return await printAnswer(lease, request, context)
}
