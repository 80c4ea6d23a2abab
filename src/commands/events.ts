import type { EventRowSchema } from '../alpha/schemas/runs.ts'
import { isRecord } from '../lib/json.ts'
import { printable, ServerClient, serverOptions } from './client/server-client.ts'
import { type Command, CommandError, exitStatus } from './command.ts'
import { UsageError } from './settings/option.ts'
import { choiceOption, integerOption, switchOption } from './settings/option-kinds.ts'
import { parseOptions } from './settings/options.ts'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const

const eventsOptions = {
	...serverOptions,
	last: integerOption({
		flag: '--last',
		min: 1,
		max: 5000,
		defaultValue: 50,
		help: 'events to begin with',
	}),
	level: choiceOption({
		flag: '--level',
		choices: LEVELS,
		defaultValue: 'debug',
		help: 'lowest level to show',
	}),
	follow: switchOption({ flag: '--follow', help: 'go on with what comes' }),
}

export const eventsCommand: Command = {
	name: 'events',
	usage: 'RUN [--url URL]',
	summary: 'what a training has told: its log',
	options: () => eventsOptions,
	async run(context) {
		const { values, positionals } = parseOptions(eventsOptions, context)
		const [id, ...rest] = positionals
		if (id === undefined || rest.length > 0)
			throw new UsageError('expected a run: alpha events RUN')
		const controller = new AbortController()
		const stopped = context.stopRequested.then((status) => {
			controller.abort()
			return status
		})
		const client = new ServerClient(values.url, values.apiKey, controller.signal)
		const print = (event: EventRowSchema) => {
			if (LEVELS.indexOf(event.level) < LEVELS.indexOf(values.level)) return
			context.print(formatEvent(event))
		}
		try {
			// The stream first: nothing may fall between it and the list.
			const live = values.follow ? client.live(id) : null
			await live?.next()
			const events = await client.events(id, new URLSearchParams({ last: String(values.last) }))
			events.forEach(print)
			if (live === null) return 0
			let lastId = events.at(-1)?.id ?? 0
			for await (const { type, data } of live) {
				const event = type === 'event' && isRecord(data) ? toEventRow(data['event']) : null
				if (event === null || event.id <= lastId) continue
				lastId = event.id
				print(event)
			}
			throw new CommandError(exitStatus.unavailable, `${values.url}: the connection has ended`)
		} catch (error) {
			if (controller.signal.aborted) return await stopped
			throw error
		}
	},
}

/** An event of the stream as the list has them. */
export function toEventRow(event: unknown): EventRowSchema | null {
	if (!isRecord(event)) return null
	return { ...event, created_at: event['timestamp'] } as EventRowSchema
}

/** One line: time, step, level, kind, message. */
export function formatEvent(event: EventRowSchema): string {
	const { step, level, kind, message, created_at: time } = event
	const clock = time.slice(0, 19).replace('T', ' ')
	const cells = [clock, String(step ?? '').padStart(7), level.padEnd(5), kind, message]
	return `${cells.map(printable).join('  ').trimEnd()}\n`
}
