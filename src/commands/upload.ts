import { sendRun } from './client/upload-client.ts'
import { UploadError } from './client/upload-request.ts'
import type { Command, CommandContext } from './command.ts'
import { UsageError } from './settings/option.ts'
import { formatBytes, integerOption, textOption, urlOption } from './settings/option-kinds.ts'
import { parseOptions } from './settings/options.ts'
import { settings } from './settings/settings.ts'

const uploadOptions = {
	to: urlOption({
		flag: '--to',
		defaultValue: null,
		help: 'the server, for instance http://localhost:3000',
	}),
	name: textOption({
		flag: '--name',
		placeholder: 'NAME',
		defaultValue: null,
		defaultText: 'name of the directory',
		help: 'model id on the server',
	}),
	step: integerOption({
		flag: '--step',
		min: 0,
		max: Number.MAX_SAFE_INTEGER,
		defaultValue: null,
		defaultText: 'the highest',
		help: 'checkpoint to send',
	}),
	...settings({
		secret: textOption({
			key: 'upload-secret',
			env: ['UPLOAD_SECRET'],
			isSecret: true,
			placeholder: 'SECRET',
			defaultValue: null,
			help: "the server's upload secret, or a file with it",
		}),
	}),
}

const BAR_WIDTH = 30

export const uploadCommand: Command = {
	name: 'upload',
	usage: 'RUN_DIR --to URL',
	summary: 'send a run directory to a server',
	options: () => uploadOptions,
	async run(context) {
		const { values, positionals } = parseOptions(uploadOptions, context)
		const [directory, ...rest] = positionals
		const { to: url, secret, name, step } = values
		if (directory === undefined || rest.length > 0 || url === null) {
			throw new UsageError('expected a run directory and a server: alpha upload RUN_DIR --to URL')
		}
		if (secret === null) throw new UsageError("set UPLOAD_SECRET to the server's upload secret")
		// The bar has no line end.
		const behindBar = context.isErrorTerminal ? '\n' : ''
		let stopStatus: number | null = null
		const controller = new AbortController()
		void context.stopRequested.then((status) => {
			stopStatus = status
			controller.abort()
		})
		try {
			const sent = await sendRun({
				directory,
				url,
				secret,
				...(name === null ? {} : { name }),
				...(step === null ? {} : { step }),
				...(context.isErrorTerminal ? { onProgress: progressBar(context) } : {}),
				onRetry: (reason, seconds) =>
					context.warn(`${behindBar}${reason}; next try in ${seconds} s\n`),
				signal: controller.signal,
			})
			context.print(`${sent.name} step ${sent.step} has arrived at ${url}\n`)
			return 0
		} catch (error) {
			if (!(error instanceof UploadError)) throw error
			context.warn(`${behindBar}alpha: ${error.message}\n`)
			return stopStatus ?? error.status
		}
	},
}

/** Redraws one line of a terminal; a line of its own at the end. */
function progressBar({ warn }: CommandContext) {
	return (sentBytes: number, totalBytes: number): void => {
		const share = totalBytes === 0 ? 1 : sentBytes / totalBytes
		const bar = '#'.repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH, '.')
		const percent = String(Math.floor(share * 100)).padStart(3)
		const end = sentBytes === totalBytes ? '\n' : ''
		warn(`\r${bar} ${percent} % of ${formatBytes(totalBytes)}${end}`)
	}
}
