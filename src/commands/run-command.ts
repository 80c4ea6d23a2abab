import { benchCommand } from './bench.ts'
import { checkCommand } from './check.ts'
import { type Command, type CommandContext, CommandError, exitStatus } from './command.ts'
import { completionCommand } from './completion.ts'
import { doctorCommand } from './doctor.ts'
import { eventsCommand } from './events.ts'
import { exportCommand } from './export.ts'
import { foreignWords } from './foreign-words.ts'
import { generateCommand } from './generate.ts'
import { healthCommand } from './health.ts'
import { listCommand } from './list.ts'
import { psCommand } from './ps.ts'
import { pushCommand } from './push.ts'
import { talkCommand } from './run.ts'
import { runsCommand } from './runs.ts'
import { scoreCommand } from './score.ts'
import { serveCommand } from './serve.ts'
import { keysOf, suggestion, UsageError } from './settings/option.ts'
import { formatHelp } from './settings/options.ts'
import { showCommand } from './show.ts'
import { systemdCommand } from './systemd.ts'
import { uploadCommand } from './upload.ts'
import { watchCommand } from './watch.ts'

const commands: readonly Command[] = [
	serveCommand,
	talkCommand,
	generateCommand,
	listCommand,
	showCommand,
	psCommand,
	checkCommand,
	scoreCommand,
	benchCommand,
	exportCommand,
	uploadCommand,
	pushCommand,
	runsCommand,
	watchCommand,
	eventsCommand,
	doctorCommand,
	healthCommand,
	completionCommand(() => commands),
	systemdCommand,
]

const VERSION_WORDS = ['--version', '-v', '-V', 'version']

/** Runs the command that argv names; without one, `serve`. Returns the exit status. */
export async function runCommand(context: CommandContext): Promise<number> {
	const { argv, print, warn } = context
	const [first = ''] = argv
	try {
		if (VERSION_WORDS.includes(first)) {
			print(`alpha ${context.version}${context.build === null ? '' : ` (${context.build})`}\n`)
			return 0
		}
		if (first === 'help') return help(argv[1], context)
		const hasName = first !== '' && !first.startsWith('-')
		const command = hasName ? findCommand(first) : serveCommand
		const rest = hasName ? argv.slice(1) : argv
		if (asksForHelp(rest)) return help(hasName ? first : undefined, context)
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

/** What stands behind `--` is no option. */
function asksForHelp(argv: readonly string[]): boolean {
	const end = argv.indexOf('--')
	const options = end === -1 ? argv : argv.slice(0, end)
	return options.includes('--help') || options.includes('-h')
}

function help(name: string | undefined, { print }: CommandContext): number {
	print(name === undefined ? overview() : details(findCommand(name)))
	return 0
}

/** Throws UsageError for a word that is none, with what comes nearest. */
function findCommand(name: string): Command {
	const command = commands.find(({ name: own, aliases = [] }) => [own, ...aliases].includes(name))
	if (command) return command
	const hint = Object.hasOwn(foreignWords, name)
		? `: ${foreignWords[name]}`
		: suggestion(name, names())
	throw new UsageError(`unknown command "${name}"${hint}`)
}

function names(): string[] {
	return commands.flatMap(({ name, aliases = [] }) => [name, ...aliases])
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
		'  -v, --version, -h, --help; alpha COMMAND --help has the options of a command',
		'',
		'Options of serve, which is what alpha does without a command. Each is also a variable and a key of the',
		'file that --config names: --kv-memory is ALPHA_KV_MEMORY and kv-memory.',
		formatHelp(serveCommand.options()),
		'',
		'Exit statuses: 0 done, 1 could not be done, 64 wrong usage, 69 port or server not to be had,',
		'74 input or output lost, 78 this machine cannot, 130 Ctrl-C.',
		'',
	].join('\n')
}

function details({ name, aliases = [], usage, summary, options }: Command): string {
	const table = options()
	return [
		`Usage: alpha ${name} ${usage}`.trimEnd(),
		'',
		summary,
		...(aliases.length === 0
			? []
			: [`Also: ${aliases.map((alias) => `alpha ${alias}`).join(', ')}`]),
		...(Object.keys(table).length === 0 ? [] : ['', formatHelp(table)]),
		'',
	].join('\n')
}

/** What a settings file may say to any of the commands. */
function allKeys(): string[] {
	return commands.flatMap((command) => Object.values(command.options()).flatMap(keysOf))
}
