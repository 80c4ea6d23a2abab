import type { OptionSources } from './options.ts'

/** What a command gets from the process; only main.ts touches the process itself. */
export interface CommandContext extends OptionSources {
	readonly version: string
	/** Workers can be spawned from main.ts only: elsewhere a compiled binary cannot find them. */
	readonly spawnEngineWorker: () => Worker
	readonly spawnLoaderWorker: () => Worker
	/** Writes to standard output: results, and what scripts read. */
	readonly print: (text: string) => void
	/** Writes to standard error: what people read. */
	readonly warn: (text: string) => void
	/** Resolves at the first SIGTERM or Ctrl-C; a second one ends the process at once. */
	readonly stopRequested: Promise<void>
}

/** One word of the command line. */
export interface Command {
	readonly name: string
	/** What follows the name, for instance `MODEL PROMPT`. */
	readonly usage: string
	readonly summary: string
	/** Lines of `alpha NAME --help` about its options. */
	optionsHelp(): string
	/** Returns the exit status: 0, or 1 when the work could not be done. Throws UsageError. */
	run(context: CommandContext): Promise<number>
}
