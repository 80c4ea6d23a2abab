import type { TrainingRunRow } from '../alpha/schemas/runs.ts'
import { toRunRow } from '../alpha/training-runs.ts'
import { openStore } from '../checkpoint/store/store.ts'
import { TrainingRuns } from '../runs/training-runs.ts'
import { printable, ServerClient, serverOptions } from './client/server-client.ts'
import { formatDuration } from './client/watch-view.ts'
import type { Command, CommandContext } from './command.ts'
import { readMachine } from './machine.ts'
import { isStoreUrl } from './object-store.ts'
import { serveOptions } from './settings/config.ts'
import { UsageError } from './settings/option.ts'
import { urlOption } from './settings/option-kinds.ts'
import { parseOptions } from './settings/options.ts'
import { settings } from './settings/settings.ts'

function runsOptions() {
	const { checkpoints } = serveOptions(readMachine())
	const url = urlOption({
		flag: '--url',
		defaultValue: null,
		defaultText: 'the checkpoints directory',
		help: 'the server to ask',
	})
	return { checkpoints, ...settings({ url }), apiKey: serverOptions.apiKey }
}

export const runsCommand: Command = {
	name: 'runs',
	usage: '[--url URL]',
	summary: 'list the training runs',
	options: runsOptions,
	async run(context) {
		const { values, positionals } = parseOptions(runsOptions(), context)
		if (positionals.length > 0) throw new UsageError(`unexpected argument "${positionals[0]}"`)
		const { url, apiKey, checkpoints } = values
		if (url === null && isStoreUrl(checkpoints)) {
			const advice = 'an object store has no logs of trainings; ask a server with --url'
			throw new UsageError(`--checkpoints: expected a directory, got ${checkpoints}: ${advice}`)
		}
		const rows = url === null ? await readRuns(checkpoints) : await askRuns(url, apiKey, context)
		context.print(formatRuns(rows))
		return 0
	},
}

function askRuns(url: string, apiKey: string | null, context: CommandContext) {
	const controller = new AbortController()
	void context.stopRequested.then(() => controller.abort())
	return new ServerClient(url, apiKey, controller.signal).runs()
}

async function readRuns(directory: string): Promise<readonly TrainingRunRow[]> {
	const log = () => {}
	const store = await openStore({ directory, log })
	const runs = new TrainingRuns({ store, log })
	await runs.ready()
	const rows = runs.list().map(toRunRow)
	runs.close()
	store.close()
	return rows
}

/** A longer cell moves the rest of its own row only, characters. */
const CELL_WIDTH_MAX = 64

/** A table of runs, the one that was heard of last first. */
export function formatRuns(runs: readonly TrainingRunRow[]): string {
	const rows = [
		['RUN', 'STATE', 'STEP', 'LOSS', 'BEST VALIDATION', 'LEFT', 'MACHINE'],
		...runs.map((run) => [
			printable(run.name),
			run.status,
			run.total_iters === null ? `${run.latest_step}` : `${run.latest_step}/${run.total_iters}`,
			run.last_loss?.toFixed(4) ?? '-',
			run.best_val_loss?.toFixed(4) ?? '-',
			run.seconds_left === null ? '-' : formatDuration(run.seconds_left),
			printable(run.hostname ?? '-'),
		]),
	]
	const widths = rows[0]!.map((_, column) =>
		Math.min(CELL_WIDTH_MAX, Math.max(...rows.map((row) => row[column]!.length))),
	)
	const lines = rows.map((row) =>
		row
			.map((cell, i) => cell.padEnd(widths[i]!))
			.join('  ')
			.trimEnd(),
	)
	return `${lines.join('\n')}\n`
}
