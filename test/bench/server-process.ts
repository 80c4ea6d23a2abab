import { join } from 'node:path'
import type { Bench } from './bench-context.ts'

/** A server of the built executable, in its own process. */
export interface ServerProcess extends AsyncDisposable {
	readonly port: number
	readonly pid: number
}

const EXECUTABLE = join(import.meta.dir, '../../dist/alpha')

/** Starts `alpha serve` on a free port; resolves as soon as it has told its address. */
export async function startServer(
	bench: Bench,
	checkpoints: string,
	args: readonly string[] = [],
): Promise<ServerProcess> {
	const log = Bun.file(join(bench.directory, 'server.log'))
	const child = Bun.spawn(
		[
			EXECUTABLE,
			'serve',
			'--port=0',
			`--checkpoints=${checkpoints}`,
			`--threads=${bench.threads}`,
			'--drain-seconds=0',
			...args,
		],
		// Without our environment: settings in it must not reach the server.
		{ stdin: 'ignore', stdout: 'pipe', stderr: log, env: {}, signal: bench.stopping },
	)
	let text = ''
	const decoder = new TextDecoder()
	for await (const bytes of child.stdout) {
		text += decoder.decode(bytes, { stream: true })
		const port = /http:\/\/[^\s/]+:(\d+)/.exec(text)?.[1]
		if (port === undefined) continue
		const stop = async () => {
			child.kill()
			await child.exited
		}
		return { port: Number(port), pid: child.pid, [Symbol.asyncDispose]: stop }
	}
	throw new Error(`${EXECUTABLE} ended before it listened: ${await log.text()}`)
}
