import { buildLlamaCpp } from './llama-cpp-build.ts'

/** Tokens per second of llama.cpp's own benchmark, which warms up once, over three runs. */
export async function runLlamaBench(
	path: string,
	threads: number,
	work: { readonly promptTokens: number; readonly decodeTokens: number },
): Promise<{ readonly decode: number; readonly prompt: number; readonly streams: null }> {
	const program = await buildLlamaCpp('llama-bench')
	const counts = ['-p', String(work.promptTokens), '-n', String(work.decodeTokens), '-r', '3']
	const options = ['-m', path, '-t', String(threads), '-ngl', '0', '-o', 'json', ...counts]
	const child = Bun.spawn([program, ...options], { stdio: ['ignore', 'pipe', 'ignore'] })
	const text = await new Response(child.stdout).text()
	if ((await child.exited) !== 0) throw new Error(`llama-bench failed with ${path}`)
	const tests = JSON.parse(text) as readonly {
		readonly n_gen: number
		readonly avg_ts: number
	}[]
	const speedOf = (isDecode: boolean) => tests.find(({ n_gen: n }) => n > 0 === isDecode)!.avg_ts
	return { decode: speedOf(true), prompt: speedOf(false), streams: null }
}
