import type { ModelCardSchema } from '../alpha/schemas/models.ts'
import { printable, ServerClient, serverOptions } from './client/server-client.ts'
import type { Command } from './command.ts'
import { UsageError } from './settings/option.ts'
import { formatBytes, switchOption } from './settings/option-kinds.ts'
import { parseOptions } from './settings/options.ts'
import { formatTable } from './table.ts'

const psOptions = {
	...serverOptions,
	json: switchOption({ flag: '--json', help: 'the cards as JSON' }),
}

export const psCommand: Command = {
	name: 'ps',
	usage: '[--url URL]',
	summary: 'list the models that a running server has in memory',
	options: () => psOptions,
	async run(context) {
		const { values, positionals } = parseOptions(psOptions, context)
		if (positionals.length > 0) throw new UsageError(`unexpected argument "${positionals[0]}"`)
		const controller = new AbortController()
		void context.stopRequested.then(() => controller.abort())
		const client = new ServerClient(values.url, values.apiKey, controller.signal)
		const listed = await client.models()
		const inMemory = listed.filter(({ state }) => state === 'loaded' || state === 'loading')
		const cards = await Promise.all(inMemory.map(({ id }) => client.model(id)))
		context.print(values.json ? `${JSON.stringify(cards, null, 2)}\n` : formatCards(cards))
		return 0
	},
}

function formatCards(cards: readonly ModelCardSchema[]): string {
	const rows = cards.map(({ id, step, state, requests, memoryBytes }) => [
		printable(id),
		String(step),
		state,
		String(requests),
		memoryBytes === null ? '-' : formatBytes(memoryBytes),
	])
	return formatTable([['MODEL', 'STEP', 'STATE', 'REQUESTS', 'MEMORY'], ...rows])
}
