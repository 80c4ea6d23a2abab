import { checkCommand } from './check.ts'
import { type Command, type CommandContext, CommandError, exitStatus } from './command.ts'
import { eventsCommand } from './events.ts'
import { exportCommand } from './export.ts'
import { generateCommand } from './generate.ts'
import { modelsCommand } from './models.ts'
import { keysOf, suggestion, UsageError } from './option.ts'
import { formatHelp } from './options.ts'
import { runsCommand } from './runs.ts'
import { serveCommand } from './serve.ts'
import { uploadCommand } from './upload.ts'
import { watchCommand } from './watch.ts'

const commands: readonly Command[] = [
	serveCommand,
	generateCommand,
	modelsCommand,
	checkCommand,
	exportCommand,
	uploadCommand,
	runsCommand,
	watchCommand,
	eventsCommand,
]

/** Runs the command that argv names; without one, `serve`. Returns the exit status. */
export async function runCommand(context: CommandContext): Promise<number> {
	const { argv, print, warn } = context
	const [first] = argv
	try {
		if (first === '--version' || first === 'version') {
			print(`alpha ${context.version}\n`)
			return 0
		}
		const hasName = first !== undefined && !first.startsWith('-')
		const command = hasName ? findCommand(first) : serveCommand
		const rest = hasName ? argv.slice(1) : argv
		if (command === null || rest.includes('--help') || rest.includes('-h')) {
			print(command === null || !hasName ? overview() : details(command))
			return 0
		}
		return await command.run({ ...context, argv: rest, otherKeys: allKeys() })
	} catch (error) {
		if (error instanceof CommandError) {
			warn(`alpha: ${error.message}\n`)
			return error.status
		}
		if (!(error instanceof UsageError)) throw error
		warn(`alpha: ${error.message}\nalpha --help lists commands and options.\n`)
		return exitStatus.usage
	}
}

/** The command of that name; null for `help`. */
function findCommand(name: string): Command | null {
	if (name === 'help') return null
	const command = commands.find((candidate) => candidate.name === name)
	if (command) return command
	const names = commands.map((candidate) => candidate.name)
	throw new UsageError(`unknown command "${name}"${suggestion(name, names)}`)
}

function overview(): string {
	const width = Math.max(...commands.map(({ name, usage }) => `${name} ${usage}`.length))
	return [
		'Alpha serves small GPT models trained from scratch.',
		'',
		'Usage: alpha [COMMAND] [OPTIONS]',
		'',
		...commands.map(
			({ name, usage, summary }) => `  ${`${name} ${usage}`.padEnd(width)}  ${summary}`,
		),
		'  --version, --help',
		'',
		'Options of serve, which is what alpha does without a command. Each is also a variable and a key of the',
		'file that --config names: --kv-memory is ALPHA_KV_MEMORY and kv-memory. alpha COMMAND --help has the others.',
		formatHelp(serveCommand.options()),
		'',
	].join('\n')
}

function details({ name, usage, summary, options }: Command): string {
	return [`Usage: alpha ${name} ${usage}`, '', summary, '', formatHelp(options()), ''].join('\n')
}

/** What a settings file may say to any of the commands. */
function allKeys(): string[] {
	return commands.flatMap((command) => Object.values(command.options()).flatMap(keysOf))
}
