import { toRun, toUnservedRun } from '../alpha/responses.ts'
import type { ModelCard } from '../models/catalog.ts'
import type { Command } from './command.ts'
import { readMachine } from './machine.ts'
import { startRuntime, withServeDefaults } from './runtime.ts'
import { serveOptions } from './settings/config.ts'
import { UsageError } from './settings/option.ts'
import { switchOption } from './settings/option-kinds.ts'
import { parseOptions } from './settings/options.ts'
import { formatTable } from './table.ts'

function listOptions() {
	const { config, checkpoints, embeddedModel } = serveOptions(readMachine())
	return {
		config,
		checkpoints,
		embeddedModel,
		json: switchOption({ flag: '--json', help: 'as GET /api/models has it' }),
		names: switchOption({ flag: '--names', help: 'only the names of what can be served' }),
	}
}

export const listCommand: Command = {
	name: 'list',
	aliases: ['models', 'ls'],
	usage: '',
	summary: 'list the models that would be served',
	options: listOptions,
	async run(context) {
		const { values, positionals } = parseOptions(listOptions(), context)
		if (positionals.length > 0) throw new UsageError(`unexpected argument "${positionals[0]}"`)
		const config = withServeDefaults(values, context)
		await using runtime = await startRuntime(config, context, (level, message) => {
			if (level !== 'info') context.warn(`alpha: ${message}\n`)
		})
		await runtime.catalog.lookFor()
		await runtime.store.inspected()
		const [served, unserved] = [runtime.catalog.list(), runtime.catalog.listUnserved()]
		if (values.names) {
			context.print(served.map(({ id }) => `${id}\n`).join(''))
		} else if (values.json) {
			const runs = [...served.map(toRun), ...unserved.map(toUnservedRun)]
			context.print(`${JSON.stringify(runs, null, 2)}\n`)
		} else {
			context.print(formatModels(served, unserved))
		}
		return 0
	},
}

/** A table of models, then the runs that cannot be served with the reason. */
function formatModels(served: readonly ModelCard[], unserved: readonly ModelCard[]): string {
	const table = formatTable([
		['MODEL', 'STEP', 'CONTEXT', 'LOSS', 'SAVED'],
		...served.map((card) => [
			card.isBuiltin ? `${card.id} (embedded)` : card.id,
			String(card.trainingStep),
			card.contextLength === null ? '-' : String(card.contextLength),
			card.lastLoss === null ? '-' : card.lastLoss.toFixed(3),
			card.isBuiltin ? '-' : new Date(card.mtimeMs).toISOString().slice(0, 16).replace('T', ' '),
		]),
	])
	return table + unserved.map(({ id, reason }) => `${id}: cannot be served: ${reason}\n`).join('')
}
