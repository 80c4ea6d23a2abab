import type { ModelCard } from '../models/catalog.ts'
import type { Command } from './command.ts'
import { serveOptions } from './config.ts'
import { readMachine } from './machine.ts'
import { UsageError } from './option.ts'
import { parseOptions } from './options.ts'
import { startRuntime, withServeDefaults } from './runtime.ts'

function modelsOptions() {
	const { config, checkpoints, embeddedModel } = serveOptions(readMachine())
	return { config, checkpoints, embeddedModel }
}

export const modelsCommand: Command = {
	name: 'models',
	usage: '',
	summary: 'list the models that would be served',
	options: modelsOptions,
	async run(context) {
		const { values, positionals } = parseOptions(modelsOptions(), context)
		if (positionals.length > 0) throw new UsageError(`unexpected argument "${positionals[0]}"`)
		const config = withServeDefaults(values, context)
		await using runtime = await startRuntime(config, context, (level, message) => {
			if (level !== 'info') context.warn(`alpha: ${message}\n`)
		})
		await runtime.catalog.lookFor()
		await runtime.store.inspected()
		context.print(formatModels(runtime.catalog.list(), runtime.catalog.listUnserved()))
		return 0
	},
}

/** A table of models, then the runs that cannot be served with the reason. */
function formatModels(served: readonly ModelCard[], unserved: readonly ModelCard[]): string {
	const rows = [
		['MODEL', 'STEP', 'CONTEXT', 'LOSS', 'SAVED'],
		...served.map((card) => [
			card.isBuiltin ? `${card.id} (embedded)` : card.id,
			String(card.trainingStep),
			card.contextLength === null ? '-' : String(card.contextLength),
			card.lastLoss === null ? '-' : card.lastLoss.toFixed(3),
			card.isBuiltin ? '-' : new Date(card.mtimeMs).toISOString().slice(0, 16).replace('T', ' '),
		]),
	]
	const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
	const lines = rows.map((row) =>
		row
			.map((cell, column) => cell.padEnd(widths[column]!))
			.join('  ')
			.trimEnd(),
	)
	for (const { id, reason } of unserved) lines.push(`${id}: cannot be served: ${reason}`)
	return `${lines.join('\n')}\n`
}
