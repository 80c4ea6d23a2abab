import { toRun, toUnservedRun } from '../alpha/responses.ts'
import { forEachAtOnce } from '../lib/at-once.ts'
import type { ModelCard } from '../models/catalog.ts'
import { ObjectStoreError } from '../remote/bucket.ts'
import type { RemoteRuns } from '../remote/remote-runs.ts'
import { printable } from './client/server-client.ts'
import { type Command, CommandError, exitStatus } from './command.ts'
import { readMachine } from './machine.ts'
import { isStoreUrl, openRemoteRuns } from './object-store.ts'
import { startRuntime, withServeDefaults } from './runtime.ts'
import { serveOptions } from './settings/config.ts'
import { UsageError } from './settings/option.ts'
import { formatBytes, switchOption } from './settings/option-kinds.ts'
import { parseOptions } from './settings/options.ts'
import { formatTable } from './table.ts'

function listOptions() {
	const { config, checkpoints, checkpointCache, embeddedModel } = serveOptions(readMachine())
	return {
		config,
		checkpoints,
		checkpointCache,
		embeddedModel,
		json: switchOption({
			flag: '--json',
			help: 'as GET /api/models has it; of an object store name, step, bytes and digest',
		}),
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
		if (isStoreUrl(config.checkpoints)) {
			const runs = openRemoteRuns(config.checkpoints, '--checkpoints', context)
			context.print(formatPublished(await readPublished(runs), values))
			return 0
		}
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

/** What an object store tells of a run without its files. */
interface PublishedRun {
	readonly name: string
	readonly step: number
	/** Of all its files together. */
	readonly bytes: number
	readonly digest: string
}

const HEADS_AT_ONCE = 8

/** The runs of an object store, by name; nothing is brought. Throws CommandError. */
async function readPublished(runs: RemoteRuns): Promise<PublishedRun[]> {
	const published: PublishedRun[] = []
	try {
		await forEachAtOnce(await runs.names(), HEADS_AT_ONCE, async (name) => {
			const state = await runs.head(name)
			if (typeof state === 'string') return
			const { step, digest, files } = state.head
			const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
			published.push({ name, step, bytes, digest })
		})
	} catch (error) {
		if (!(error instanceof ObjectStoreError)) throw error
		throw new CommandError(exitStatus.unavailable, `object store: ${error.message}`)
	}
	return published.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function formatPublished(
	runs: readonly PublishedRun[],
	{ json, names }: { readonly json: boolean; readonly names: boolean },
): string {
	if (names) return runs.map(({ name }) => `${printable(name)}\n`).join('')
	if (json) return `${JSON.stringify(runs, null, 2)}\n`
	return formatTable([
		['MODEL', 'STEP', 'SIZE', 'DIGEST'],
		...runs.map(({ name, step, bytes, digest }) => [
			printable(name),
			String(step),
			formatBytes(bytes),
			digest.slice(0, 12),
		]),
	])
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
