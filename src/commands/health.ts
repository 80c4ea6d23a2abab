import type { Command } from './command.ts'
import { UsageError } from './settings/option.ts'
import { integerOption } from './settings/option-kinds.ts'
import { parseOptions } from './settings/options.ts'
import { settings } from './settings/settings.ts'

/** Enough for a server that is busy, less than the limits of those who run probes. */
const ANSWER_MS = 4000

const healthOptions = settings({
	port: integerOption({
		flag: '--port',
		env: ['PORT'],
		min: 1,
		max: 65535,
		defaultValue: 3000,
		help: 'where the server listens on this machine',
	}),
})

/** The probe of containers, in whose image no other program is that could ask. */
export const healthCommand: Command = {
	name: 'health',
	usage: '[--port N]',
	summary: 'ask the server on this machine whether it is ready: status 0, or 1 and why',
	options: () => healthOptions,
	async run(context) {
		const { values, positionals } = parseOptions(healthOptions, context)
		if (positionals.length > 0) throw new UsageError(`unexpected argument "${positionals[0]}"`)
		const complaint = await findComplaint(`http://127.0.0.1:${values.port}/readyz`)
		if (complaint === null) return 0
		context.warn(`alpha: ${complaint}\n`)
		return 1
	},
}

async function findComplaint(url: string): Promise<string | null> {
	try {
		const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) })
		await response.body?.cancel()
		return response.ok ? null : `${url} answers ${response.status}`
	} catch {
		return `${url} does not answer`
	}
}
