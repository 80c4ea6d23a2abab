/*
 * The program's edge: the only file that touches argv, environment, signals and the exit status, and
 * that spawns workers. What happens is in commands/.
 */
import { readFileSync } from 'node:fs'
import { version } from '../package.json'
import { runCommand } from './commands/run-command.ts'
import { messageOf } from './lib/errors.ts'

/** Exit status of a process that a second signal ended while it was cleaning up. */
const INTERRUPTED_STATUS = 130

const stopRequested = new Promise<void>((resolve) => {
	let signals = 0
	for (const signal of ['SIGINT', 'SIGTERM'] as const) {
		process.on(signal, () => {
			if (++signals > 1) process.exit(INTERRUPTED_STATUS)
			resolve()
		})
	}
})

const status = await runCommand({
	argv: process.argv.slice(2),
	env: process.env,
	version,
	readFile: (path) => readFileSync(path, 'utf8'),
	spawnEngineWorker: () => new Worker(new URL('./engine/worker/worker.ts', import.meta.url)),
	spawnLoaderWorker: () =>
		new Worker(new URL('./checkpoint/load/worker/worker.ts', import.meta.url)),
	print: (text) => process.stdout.write(text),
	warn: (text) => process.stderr.write(text),
	stopRequested,
}).catch((error: unknown) => {
	process.stderr.write(`alpha: ${messageOf(error)}\n`)
	return 1
})
process.exit(status)
