/** From the start of the process to the first token that it serves, with the embedded model. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench } from './bench-context.ts'
import { startServer } from './server-process.ts'

export async function measureStart(bench: Bench): Promise<void> {
	const checkpoints = join(bench.directory, 'empty')
	await mkdir(checkpoints, { recursive: true })
	const listening: number[] = []
	const firstToken: number[] = []
	for (let round = 0; round < bench.rounds; round++) {
		const start = performance.now()
		await using server = await startServer(bench, checkpoints)
		listening.push(performance.now() - start)
		await firstContent(server.port)
		firstToken.push(performance.now() - start)
	}
	const add = (name: string, samples: readonly number[], limit?: number) =>
		bench.report.add({
			subject: 'embedded',
			name,
			unit: 'ms',
			samples,
			goal: limit === undefined ? null : { of: 'value', bound: 'max', limit },
		})
	add('process start to listening', listening)
	add('process start to first served token', firstToken, 200)
}

/** Resolves when the first text of a streamed answer has arrived. */
async function firstContent(port: number): Promise<void> {
	const response = await fetch(`http://127.0.0.1:${port}/v1/completions`, {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify({ prompt: 'It is a truth', max_tokens: 4, stream: true }),
	})
	const decoder = new TextDecoder()
	let text = ''
	for await (const bytes of response.body ?? []) {
		text += decoder.decode(bytes, { stream: true })
		if (/"text":"[^"]/.test(text)) return
	}
	throw new Error(`expected a stream with text, got ${response.status} ${text}`)
}
