import { isRecord } from '../lib/json.ts'
import { type LiveEvent, ServerClient, serverOptions } from './client/server-client.ts'
import { type Watched, watchLines, withMetrics } from './client/watch-view.ts'
import { type Command, type CommandContext, CommandError } from './command.ts'
import { toEventRow } from './events.ts'
import { UsageError } from './settings/option.ts'
import { parseOptions } from './settings/options.ts'

/** Metrics and events that the view begins with. */
const METRICS = 200
const EVENTS = 6

/** A lost connection is tried again after so long, milliseconds. */
const RETRY_MS = 2000

/** When nothing has been told for so long, the server is asked what has become of the run. */
const SILENCE_MS = 15_000

const DEFAULT_WIDTH = 100

export const watchCommand: Command = {
	name: 'watch',
	usage: 'RUN [--url URL]',
	summary: 'watch a training',
	options: () => serverOptions,
	async run(context) {
		const { values, positionals } = parseOptions(serverOptions, context)
		const [id, ...rest] = positionals
		if (id === undefined || rest.length > 0) throw new UsageError('expected a run: alpha watch RUN')
		const controller = new AbortController()
		const stopped = context.stopRequested.then((status) => {
			controller.abort()
			return status
		})
		const client = new ServerClient(values.url, values.apiKey, controller.signal)
		try {
			return await watch(client, id, context)
		} catch (error) {
			if (controller.signal.aborted) return await stopped
			throw error
		}
	},
}

/** Follows a run until it ends; 1 when it has failed. */
async function watch(client: ServerClient, id: string, context: CommandContext): Promise<number> {
	const screen = new Screen(context)
	let hasShown = false
	for (let isTold = false; ; ) {
		try {
			const status = await follow(client, id, (watched) => {
				screen.show(watched)
				hasShown = true
				isTold = false
			})
			if (status !== null) return status
		} catch (error) {
			// A server that is started anew is back in a moment; one that never answered is not there.
			if (!hasShown || !(error instanceof CommandError)) throw error
			if (!isTold) screen.interrupt(`${error.message}; trying again\n`)
			isTold = true
		}
		await Bun.sleep(RETRY_MS)
	}
}

/** Null when the connection ends before the training does. */
async function follow(
	client: ServerClient,
	id: string,
	show: (watched: Watched) => void,
): Promise<number | null> {
	let watched: Watched | null = null
	for await (const event of withPauses(client.live(id), SILENCE_MS)) {
		const next: Watched =
			event === null && watched !== null
				? { ...(watched as Watched), run: await client.run(id) }
				: await after(event, watched, () => read(client, id))
		watched = next
		show(next)
		if (next.run.status === 'completed') return 0
		if (next.run.status === 'failed') return 1
	}
	return null
}

/** What a stream gives, and null whenever it has given nothing for `milliseconds`. */
export async function* withPauses<T>(
	items: AsyncGenerator<T>,
	milliseconds: number,
): AsyncGenerator<T | null> {
	for (;;) {
		const next = items.next()
		// Whoever leaves in a pause leaves it to itself.
		next.catch(() => {})
		for (;;) {
			const { promise: pause, resolve } = Promise.withResolvers<null>()
			const timer = setTimeout(() => resolve(null), milliseconds)
			const result = await Promise.race([next, pause]).finally(() => clearTimeout(timer))
			if (result?.done) return
			yield result === null ? null : result.value
			if (result !== null) break
		}
	}
}

/** Events after which the run is read again. */
const TURNS = ['snapshot', 'run_start', 'checkpoint', 'run_complete']

async function after(
	event: LiveEvent | null,
	watched: Watched | null,
	readAgain: () => Promise<Watched>,
): Promise<Watched> {
	// A run that had fallen silent, and is heard again, is in another state.
	const isTurn = event === null || TURNS.includes(event.type) || watched?.run.status === 'stale'
	if (watched === null || isTurn) return await readAgain()
	const { type, data } = event
	const heard = { ...watched, run: { ...watched.run, updated_at: new Date().toISOString() } }
	if (!isRecord(data)) return heard
	if (type === 'metrics') return withMetrics(heard, data['metrics'])
	const row = type === 'event' ? toEventRow(data['event']) : null
	return row === null ? heard : { ...heard, events: [...heard.events, row].slice(-EVENTS) }
}

async function read(client: ServerClient, id: string): Promise<Watched> {
	const run = await client.run(id)
	const metrics = await client.metrics(id, METRICS)
	const losses = metrics.flatMap(({ loss }) => (typeof loss === 'number' ? [loss] : []))
	return {
		run,
		losses,
		events: await client.events(id, new URLSearchParams({ last: String(EVENTS) })),
	}
}

/** Draws in place on a terminal; elsewhere a line for each change. */
class Screen {
	readonly #context: Pick<CommandContext, 'print' | 'screen'>
	#lines = 0
	#lastLine = ''

	constructor(context: Pick<CommandContext, 'print' | 'screen'>) {
		this.#context = context
	}

	show(watched: Watched): void {
		const { print, screen } = this.#context
		if (!screen.isTTY) {
			const line = watchLines(watched, Number.MAX_SAFE_INTEGER).slice(0, 3).join('  ')
			if (line !== this.#lastLine) print(`${line}\n`)
			this.#lastLine = line
			return
		}
		const lines = watchLines(watched, screen.columns || DEFAULT_WIDTH)
		const up = this.#lines === 0 ? '' : `\x1b[${this.#lines}A`
		print(`${up}${lines.map((line) => `\x1b[2K${line}\n`).join('')}\x1b[J`)
		this.#lines = lines.length
	}

	/** Says something below what is drawn; the next picture is drawn below that. */
	interrupt(text: string): void {
		this.#context.print(text)
		this.#lines = 0
	}
}
