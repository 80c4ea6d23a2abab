/*
 * The program's edge: the only file that touches argv, environment, signals and the exit status, and
 * that spawns workers. What happens is in commands/.
 */
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { version } from '../package.json'
import { exitStatus } from './commands/command.ts'
import { Output, outputComplaint, outputStatus } from './commands/output.ts'
import { runCommand } from './commands/run-command.ts'
import { endOnSignal, restartProcess } from './kernels/binding.ts'
import { LibraryUnavailableError } from './kernels/library-path.ts'
import { messageOf } from './lib/errors.ts'

/** Put in by `bun build.ts --release`. */
declare const ALPHA_BUILD: string | undefined

const output = new Output(process.stdout)
// Who reads the log may go away; the work goes on.
process.stderr.on('error', () => {})

// A terminal that goes away stops the server as a supervisor does.
const stopStatuses = {
	SIGINT: exitStatus.interrupted,
	SIGTERM: exitStatus.terminated,
	SIGHUP: exitStatus.terminated,
} as const
const stopSignals = Object.keys(stopStatuses) as (keyof typeof stopStatuses)[]

const { promise: stopRequested, resolve: requestStop } = Promise.withResolvers<number>()
let stopSignalCount = 0
const onStopSignal = (signal: keyof typeof stopStatuses) => {
	if (++stopSignalCount > 1) process.exit(stopStatuses[signal])
	requestStop(stopStatuses[signal])
}
for (const signal of stopSignals) process.on(signal, onStopSignal)
// Sent by tools that take us for another program; by default they would end us.
for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => {})
void output.failed.then((error) => requestStop(outputStatus(error)))

/** Returns where the system refuses, or where we are to stop. */
async function restart(variables: Readonly<Record<string, string>>): Promise<void> {
	// The next program hears of no signal that this one was told of: those that came are awaited, others end it.
	for (const signal of stopSignals) endOnSignal(constants.signals[signal])
	await setImmediate()
	if (stopSignalCount === 0) restartProcess({ ...process.env, ...variables })
	for (const signal of stopSignals) process.off(signal, onStopSignal).on(signal, onStopSignal)
}

const status = await runCommand({
	argv: process.argv.slice(2),
	env: process.env,
	version,
	build: typeof ALPHA_BUILD === 'undefined' ? null : ALPHA_BUILD,
	readFile: (path) => readFileSync(path, 'utf8'),
	spawnEngineWorker: () => new Worker(new URL('./engine/worker/worker.ts', import.meta.url)),
	spawnLoaderWorker: () =>
		new Worker(new URL('./checkpoint/load/worker/worker.ts', import.meta.url)),
	openInput: () => process.stdin,
	screen: process.stdout,
	isErrorTerminal: process.stderr.isTTY === true,
	print: (text) => output.write(text),
	warn: (text, written) => process.stderr.write(text, written),
	restart,
	stopRequested,
}).catch((error: unknown) => {
	process.stderr.write(`alpha: ${messageOf(error)}\n`)
	return error instanceof LibraryUnavailableError ? exitStatus.unfit : 1
})
const lost = await output.flushed()
if (lost !== null) process.stderr.write(outputComplaint(lost))
process.exit(lost === null ? status : outputStatus(lost))
