/** Replicas of the executable. Each has the same model under a name of its own: its answers say whose they are. */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { type AlphaServer, startAlpha } from '../helpers/alpha-server.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const model = join(import.meta.dir, '../fixtures/v2-bpe-chat')

export interface Replica extends AsyncDisposable {
	/** Of its model: `replica-` and a number. */
	readonly name: string
	readonly server: AlphaServer
	/** SIGTERM; resolves when it has ended. */
	stop(): Promise<void>
	/** SIGKILL; resolves when it is gone. */
	kill(): Promise<void>
}

/** Starts one on this port; 0 = any free one. */
export async function startReplica(index: number, port = 0): Promise<Replica> {
	const name = `replica-${index}`
	const directory = tempDir()
	cpSync(model, join(directory.path, name), { recursive: true })
	const server = await startAlpha({
		runs: [],
		args: [`--port=${port}`, '--drain-seconds=10', '--threads=1', '--no-embedded-model'],
		env: { CHECKPOINTS_DIR: directory.path },
	})
	const stop = async () => {
		await server.stop()
		directory[Symbol.dispose]()
	}
	const kill = () => {
		process.kill(server.pid, 'SIGKILL')
		return stop()
	}
	return { name, server, stop, kill, [Symbol.asyncDispose]: stop }
}

export function startReplicas(count: number): Promise<Replica[]> {
	return Promise.all(Array.from({ length: count }, (_, i) => startReplica(i)))
}

export const portsOf = (replicas: readonly Replica[]): number[] =>
	replicas.map(({ server }) => server.port)

export async function stopAll(replicas: readonly Replica[]): Promise<void> {
	await Promise.all(replicas.map((replica) => replica.stop()))
}
