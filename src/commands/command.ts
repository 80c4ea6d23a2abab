import type { OptionTable } from './settings/option.ts'
import type { OptionSources } from './settings/options.ts'

/** Exit statuses beyond 0 (done) and 1 (could not be done), as sysexits and shells have them. */
export const exitStatus = {
	/** The command line cannot be obeyed. */
	usage: 64,
	/** The port cannot be had, or the server that is asked cannot be reached: later it may be. */
	unavailable: 69,
	/** The output cannot be written, for instance because the disk is full. */
	outputLost: 74,
	/** A file that is named cannot be read. */
	unreadable: 74,
	/** This machine cannot do what a setting asks for, or cannot run the kernels at all. */
	unfit: 78,
	/** Ended by Ctrl-C. */
	interrupted: 130,
	/** Nobody reads the output any more. */
	pipeClosed: 141,
	/** Ended by SIGTERM. */
	terminated: 143,
} as const

/** What a command gets from the process; only main.ts touches the process itself. */
export interface CommandContext extends OptionSources {
	readonly version: string
	/** Commit and date of a release, `1a2b3c4d5e6f, 2026-01-31`; null for what was built by hand. */
	readonly build: string | null
	/** Workers can be spawned from main.ts only: elsewhere a compiled binary cannot find them. */
	readonly spawnEngineWorker: () => Worker
	readonly spawnLoaderWorker: () => Worker
	/** Standard input; not opened by commands that do not read it. */
	readonly openInput: () => NodeJS.ReadStream
	/** Standard output, for what is drawn on a terminal. */
	readonly screen: NodeJS.WriteStream
	/** Whether people look at standard error, so that it may show what moves. */
	readonly isErrorTerminal: boolean
	/** Writes to standard output: results, and what scripts read. */
	readonly print: (text: string) => void
	/** Writes to standard error: what people read. `written` is called when it has left the process. */
	readonly warn: (text: string, written?: () => void) => void
	/** Starts the program anew in its process, with more variables. Returns only where the system refuses, or where the program is to stop. */
	readonly restart: (variables: Readonly<Record<string, string>>) => Promise<void>
	/**
	 * Resolves at the first SIGTERM or Ctrl-C, or when the output is lost, with the exit status of a
	 * command that ends therefore. A second signal ends the process at once.
	 */
	readonly stopRequested: Promise<number>
}

/** Why a command ended, for the person who gave it, with its exit status. */
export class CommandError extends Error {
	override readonly name: string = 'CommandError'
	readonly status: number

	constructor(status: number, message: string, options?: ErrorOptions) {
		super(message, options)
		this.status = status
	}
}

/** One word of the command line. */
export interface Command {
	readonly name: string
	/** Other words for it. */
	readonly aliases?: readonly string[]
	/** What follows the name, for instance `MODEL PROMPT`. */
	readonly usage: string
	readonly summary: string
	/** What each argument is, the last also for all that follow; for completions. Default: nothing known. */
	readonly completes?: readonly ('model' | 'file' | 'shell')[]
	/** For its help, the completions, and to know the keys of settings files. */
	options(): OptionTable
	/** Returns the exit status: 0, or 1 when the work could not be done. Throws UsageError. */
	run(context: CommandContext): Promise<number>
}
