import { toModelCard } from '../alpha/responses.ts'
import { lossAtStep } from '../checkpoint/store/training-log.ts'
import { modelNotFound } from '../models/catalog.ts'
import { printable } from './client/server-client.ts'
import type { Command } from './command.ts'
import { readMachine } from './machine.ts'
import { startLocalRuntime } from './object-store.ts'
import { withServeDefaults } from './runtime.ts'
import { serveOptions } from './settings/config.ts'
import { UsageError } from './settings/option.ts'
import { formatBytes, switchOption } from './settings/option-kinds.ts'
import { parseOptions } from './settings/options.ts'
import { formatTable } from './table.ts'

/** Points of the training log that `--json` has. */
const POINTS_MAX = 1000

/** Steps that are named; the rest is counted. */
const STEPS_SHOWN = 12

function showOptions() {
	const { config, checkpoints, checkpointCache, embeddedModel } = serveOptions(readMachine())
	const json = switchOption({ flag: '--json', help: 'as GET /api/models/{id} has it' })
	return { config, checkpoints, checkpointCache, embeddedModel, json }
}

export const showCommand: Command = {
	name: 'show',
	usage: 'MODEL',
	summary: 'tell everything about one model',
	options: showOptions,
	completes: ['model'],
	async run(context) {
		const { values, positionals } = parseOptions(showOptions(), context)
		const [name, ...rest] = positionals
		if (name === undefined || rest.length > 0)
			throw new UsageError('expected a model: alpha show MODEL')
		const config = withServeDefaults(values, context)
		await using runtime = await startLocalRuntime(name, config, context, (level, message) => {
			if (level === 'error') context.warn(`alpha: ${message}\n`)
		})
		const { catalog, store } = runtime
		await catalog.lookFor(name)
		await store.inspected()
		const details = catalog.details(name)
		if (details === undefined) {
			const unserved = catalog.listUnserved().find(({ id }) => id === name)
			throw modelNotFound(name, unserved?.reason ?? undefined)
		}
		const series = await catalog.lossSeries(name, POINTS_MAX)
		const { id, trainingStep, lastLoss } = details.card
		const loss = id.includes('@') ? lossAtStep(series, trainingStep) : lastLoss
		const card = toModelCard({ ...details.card, lastLoss: loss }, details, series)
		context.print(values.json ? `${JSON.stringify(card, null, 2)}\n` : formatCard(card))
		return 0
	},
}

function formatCard(card: ReturnType<typeof toModelCard>): string {
	const { steps, tokenizer, metrics } = card
	const older = steps.length > STEPS_SHOWN ? `${steps.length - STEPS_SHOWN} more, ` : ''
	const known = (value: unknown) => (value === null || value === undefined ? '-' : String(value))
	const rows = [
		['model', card.embedded ? `${card.id} (embedded)` : card.id],
		['form', `${known(card.format)} ${known(card.family)}`],
		['step', String(card.step)],
		['steps', older + steps.slice(-STEPS_SHOWN).join(', ')],
		['saved', card.embedded ? '-' : new Date(card.mtime).toISOString()],
		['loss', known(card.lastLoss)],
		['domain', known(card.domain)],
		['parameters', known(card.parameterCount)],
		['context', known(card.contextLength)],
		['file', card.checkpointBytes === null ? '-' : formatBytes(card.checkpointBytes)],
		['tokenizer', tokenizer === null ? '-' : `${tokenizer.type}, ${tokenizer.vocabSize} entries`],
		['training log', `${metrics.lineCount} lines, ${metrics.badLineCount} of them unreadable`],
		...Object.entries(card.modelConfig).map(([key, value]) => [`  ${key}`, configText(value)]),
	]
	return formatTable(rows.map((row) => row.map((cell) => printable(cell!))))
}

function configText(value: unknown): string {
	return typeof value === 'string' ? value : JSON.stringify(value)
}
