/*
 * ONNX Runtime and CTranslate2, in a Python of their own: packages of pinned versions, installed once into
 * a directory that git ignores. BENCH_PYTHON names an interpreter that has them instead.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Dtype } from '../../src/model/model-config.ts'
import type { Bench } from './bench-context.ts'
import { type ComparedModel, huggingFacePath } from './compared-models.ts'

export const PYTHON_PEERS = ['onnxruntime', 'ctranslate2'] as const
export type PythonPeer = (typeof PYTHON_PEERS)[number]

const PACKAGES = [
	'ctranslate2==4.8.5',
	'numpy==2.3.5',
	'onnx==1.23.2',
	'onnxruntime==1.32.0',
	'setuptools==80.9.0',
]
const CACHE = join(import.meta.dir, '../../node_modules/.cache')

export interface PythonProcess extends Disposable {
	/** Why this engine does not compute such a model here; null when it does. */
	readonly reason: string | null
	/** Tokens per second of one stream, here and below over as much work as takes `sampleSeconds`. */
	decode(tokens: number): Promise<number>
	/** Tokens per second from a prompt to its first token. */
	prompt(tokens: number): Promise<number>
	/** Tokens per second of streams that decode together. */
	streams(streams: number, tokens: number): Promise<number>
	/** Log-probability of each token after these. */
	logprobs(tokenIds: readonly number[]): Promise<readonly number[]>
}

export async function startPythonPeer(
	bench: Bench,
	peer: PythonPeer,
	name: ComparedModel,
	dtype: Dtype,
): Promise<PythonProcess> {
	const python = await installPython()
	const script = join(import.meta.dir, 'python', `${peer}_peer.py`)
	const model = join(bench.directory, `${peer}-${name}-${dtype}`)
	const args = [huggingFacePath(name), model, dtype, String(bench.threads)]
	const child = Bun.spawn([python, '-B', script, ...args], {
		stdio: ['pipe', 'pipe', Bun.file(join(bench.directory, `${peer}.log`))],
		env: { PATH: process.env['PATH'], OMP_NUM_THREADS: String(bench.threads) },
		signal: bench.stopping,
	})
	const lines = linesOf(child.stdout)
	const answer = async () => {
		const { value, done } = await lines.next()
		if (done) {
			throw new Error(
				`${peer} ended: ${await Bun.file(join(bench.directory, `${peer}.log`)).text()}`,
			)
		}
		return JSON.parse(value) as { readonly reason?: string; readonly result?: unknown }
	}
	const ask = async <Result>(...task: readonly unknown[]): Promise<Result> => {
		child.stdin.write(`${JSON.stringify(task)}\n`)
		await child.stdin.flush()
		return (await answer()).result as Result
	}
	return {
		reason: (await answer()).reason ?? null,
		decode: (tokens) => ask('decode', tokens, bench.sampleSeconds),
		prompt: (tokens) => ask('prompt', tokens, bench.sampleSeconds),
		streams: (streams, tokens) => ask('streams', streams, tokens, bench.sampleSeconds),
		logprobs: (tokenIds) => ask('logprobs', tokenIds),
		[Symbol.dispose]: () => child.kill(),
	}
}

async function installPython(): Promise<string> {
	const own = process.env['BENCH_PYTHON']
	if (own !== undefined) return own
	const directory = join(CACHE, 'bench-python')
	const python = join(directory, 'bin/python')
	if (existsSync(join(directory, 'ready'))) return python
	await Bun.$`python3 -m venv ${directory}`
	await Bun.$`${python} -m pip install --quiet ${PACKAGES}`
	await Bun.write(join(directory, 'ready'), '')
	return python
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
	const decoder = new TextDecoder()
	let text = ''
	for await (const bytes of stream) {
		const lines = (text + decoder.decode(bytes, { stream: true })).split('\n')
		text = lines.pop() ?? ''
		yield* lines
	}
}
