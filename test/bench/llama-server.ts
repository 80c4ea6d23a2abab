/** llama.cpp's server with a model in memory, as many slots as there are streams, and no cache of prompts. */

import type { Subprocess } from 'bun'
import { freePort } from '../helpers/free-port.ts'
import type { Bench } from './bench-context.ts'
import { buildLlamaCpp } from './llama-cpp-build.ts'
import type { ServerProcess } from './server-process.ts'

const START_SECONDS_MAX = 60

export interface LlamaServerOptions {
	readonly model: string
	readonly slots: number
	/** Tokens of each slot. */
	readonly slotTokens: number
}

/** Resolves when the model is loaded. */
export async function startLlamaServer(
	bench: Bench,
	{ model, slots, slotTokens }: LlamaServerOptions,
): Promise<ServerProcess> {
	const program = await buildLlamaCpp('llama-server')
	const port = freePort()
	const options = {
		'--model': model,
		'--host': '127.0.0.1',
		'--port': port,
		'--threads': bench.threads,
		'--parallel': slots,
		'--ctx-size': slots * slotTokens,
		'--gpu-layers': 0,
		'--cache-ram': 0,
	}
	const args = Object.entries(options).flatMap(([name, value]) => [name, String(value)])
	const child = Bun.spawn([program, ...args], {
		stdio: ['ignore', 'ignore', 'ignore'],
		env: {},
		signal: bench.stopping,
	})
	await untilReady(child, port)
	const stop = async () => {
		child.kill()
		await child.exited
	}
	return { port, pid: child.pid, [Symbol.asyncDispose]: stop }
}

async function untilReady(child: Subprocess, port: number): Promise<void> {
	const end = performance.now() + START_SECONDS_MAX * 1000
	while (performance.now() < end && child.exitCode === null) {
		const health = await fetch(`http://127.0.0.1:${port}/health`).catch(() => null)
		if (health?.ok) return
		await Bun.sleep(50)
	}
	child.kill()
	throw new Error(`llama-server did not start within ${START_SECONDS_MAX} s`)
}
