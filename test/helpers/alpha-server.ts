/** The compiled executable as a child process, on a free port, with its own checkpoints directory. */
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const executablePath = join(import.meta.dir, '../../dist/alpha')

const fixtures = join(import.meta.dir, '../fixtures')

/** The bearer token that `startAlpha` gives the server for uploads. */
export const uploadSecret = 'a-secret-for-tests'

export interface AlphaOptions {
	/** The command that runs Alpha, for instance under an emulator; default: the executable. */
	readonly command?: readonly string[]
	/** Fixture runs that it serves, the first model first. */
	readonly runs?: readonly string[]
	/** Further arguments of `alpha serve`. */
	readonly args?: readonly string[]
	/** Further environment variables; nothing is inherited but PATH and TMPDIR. */
	readonly env?: Readonly<Record<string, string>>
}

/** A running server. Dispose of it, or call `stop`. */
export interface AlphaServer extends AsyncDisposable {
	/** Without a slash at its end, for instance `http://127.0.0.1:41234`. */
	readonly url: string
	readonly port: number
	/** Temporary directory of the runs, removed by `stop`. */
	readonly checkpoints: string
	readonly pid: number
	/** What it has written to standard error so far. */
	log(): string
	/** SIGTERM, then the exit status. */
	stop(): Promise<number>
}

/** Starts `dist/alpha serve` and resolves with the address that it tells. */
export async function startAlpha(options: AlphaOptions = {}): Promise<AlphaServer> {
	const { command = [executablePath], runs = ['v2-bpe-chat'], args = [], env = {} } = options
	if (!existsSync(executablePath)) throw new Error('dist/alpha is missing: run `bun run build`')
	const checkpoints = mkdtempSync(join(tmpdir(), 'alpha-test-'))
	runs.forEach((name, index) => {
		copyRun(name, checkpoints, runs.length - index)
	})
	const child = Bun.spawn([...command, 'serve', '--port=0', '--drain-seconds=1', ...args], {
		cwd: checkpoints,
		stdin: 'ignore',
		stdout: 'pipe',
		stderr: 'pipe',
		env: {
			PATH: process.env['PATH'],
			TMPDIR: tmpdir(),
			CHECKPOINTS_DIR: checkpoints,
			UPLOAD_SECRET: uploadSecret,
			...env,
		},
	})
	let log = ''
	const logged = readAll(child.stderr, (text) => {
		log += text
	})
	const stop = async () => {
		child.kill('SIGTERM')
		const status = await child.exited
		await logged
		rmSync(checkpoints, { recursive: true, force: true })
		return status
	}
	const address = await findAddress(child.stdout)
	if (address === null) {
		const status = await stop()
		throw new Error(`alpha serve ended with status ${status}:\n${log}`)
	}
	return {
		url: address.origin,
		port: Number(address.port),
		checkpoints,
		pid: child.pid,
		log: () => log,
		stop,
		async [Symbol.asyncDispose]() {
			await stop()
		},
	}
}

/** Copies a fixture run; the list of models is ordered by the time of the newest checkpoint. */
function copyRun(name: string, checkpoints: string, rank: number): void {
	const run = join(checkpoints, name)
	cpSync(join(fixtures, name), run, { recursive: true })
	const time = new Date(Date.UTC(2026, 0, 1, 0, 0, rank))
	for (const file of readdirSync(run)) utimesSync(join(run, file), time, time)
}

/** The URL in the line `listening on …`; null when the output ends without it. */
async function findAddress(stdout: ReadableStream<Uint8Array>): Promise<URL | null> {
	const { promise, resolve } = Promise.withResolvers<URL | null>()
	let text = ''
	const read = async () => {
		await readAll(stdout, (piece) => {
			text += piece
			const url = /^listening on (\S+)\n/m.exec(text)?.[1]
			if (url !== undefined) resolve(new URL(url))
		})
		resolve(null)
	}
	void read()
	return promise
}

/** Reads to the end, so that the pipe never fills up. */
async function readAll(
	stream: ReadableStream<Uint8Array>,
	take: (text: string) => void,
): Promise<void> {
	const decoder = new TextDecoder()
	for await (const bytes of stream) take(decoder.decode(bytes, { stream: true }))
}
