import { join } from 'node:path'

/** A server of the built executable, in its own process. */
export interface ServerProcess extends AsyncDisposable {
	readonly port: number
	/** Stops it and waits until it is gone. */
	stop(): Promise<void>
}

export interface ServerOptions {
	/** Directory of the runs that it serves. */
	readonly checkpoints: string
	readonly threads: number
}

const EXECUTABLE = join(import.meta.dir, '../../dist/alpha')

/** Starts `alpha serve` on a free port; resolves as soon as it has told its address. */
export async function startServer({ checkpoints, threads }: ServerOptions): Promise<ServerProcess> {
	const child = Bun.spawn(
		[
			EXECUTABLE,
			'serve',
			'--port=0',
			`--checkpoints=${checkpoints}`,
			`--threads=${threads}`,
			'--drain-seconds=0',
		],
		// Both to one pipe: whichever stream the address is told on.
		{ stdin: 'ignore', stdout: 'pipe', stderr: 'pipe', env: { PATH: process.env['PATH'] } },
	)
	const stop = async () => {
		child.kill()
		await child.exited
	}
	try {
		const port = await Promise.any([findPort(child.stdout), findPort(child.stderr)])
		return { port, stop, [Symbol.asyncDispose]: stop }
	} catch {
		await stop()
		throw new Error(`${EXECUTABLE} serve ended with status ${child.exitCode} without an address`)
	}
}

/** The port in the first URL that the stream tells; goes on reading, so that the pipe stays open. */
function findPort(stream: ReadableStream<Uint8Array>): Promise<number> {
	const { promise, resolve, reject } = Promise.withResolvers<number>()
	const readAll = async () => {
		const decoder = new TextDecoder()
		let text = ''
		for await (const bytes of stream) {
			text += decoder.decode(bytes, { stream: true })
			const port = /https?:\/\/[^\s/]+:(\d+)/.exec(text)?.[1]
			if (port !== undefined) resolve(Number(port))
		}
		reject(new Error(text))
	}
	readAll().catch(reject)
	return promise
}
