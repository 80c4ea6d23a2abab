/**
 * The same weights, the same tokens, in the same moments: our engine and llama.cpp take turns on
 * model S. The binding is installed on first use, from the package registry alone, into a directory
 * that git ignores.
 */
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Dtype } from '../../src/model/model-config.ts'
import { type Bench, loadModel } from './bench-context.ts'
import { BenchRunner } from './bench-runner.ts'
import { writeGguf } from './gguf-writer.ts'
import type { LlamaCppResult, LlamaCppTask } from './llama-cpp-process.ts'
import { REFERENCE_MODELS } from './reference-models.ts'
import { TaskProcess } from './task-process.ts'

const VERSION = '3.22.1'
const CACHE = join(import.meta.dir, '../../node_modules/.cache/bench-llama-cpp')
const PREFILL_TOKENS = 128
const DECODE_TOKENS = 128
/** Their names of the formats that correspond to ours. */
const FORMATS = { f32: 'F32', bf16: 'BF16', int8: 'Q8_0' } as const

export async function compareLlamaCpp(bench: Bench): Promise<void> {
	const modulePath = await installBinding()
	for (const dtype of ['f32', 'bf16', 'int8'] as const) await compareDtype(bench, modulePath, dtype)
}

async function compareDtype(bench: Bench, modulePath: string, dtype: Dtype): Promise<void> {
	const model = REFERENCE_MODELS.S
	const modelPath = join(bench.directory, `S-${dtype}.gguf`)
	await writeGguf(modelPath, model, dtype)
	const { arena, config } = await loadModel(bench, 'S', dtype)
	// GPT-2 has no soft cap.
	const ours = new BenchRunner(bench.kernels, {
		arena,
		dtype,
		config: { ...config, softCap: null },
	})
	using theirs = new TaskProcess<LlamaCppTask, LlamaCppResult>('llama-cpp-process.ts')
	const contextSize = config.blockSize
	await theirs.run({ type: 'start', modulePath, modelPath, contextSize, threads: bench.threads })

	const decode = { ours: [] as number[], theirs: [] as number[] }
	const prefill = { ours: [] as number[], theirs: [] as number[] }
	let agreement = Number.POSITIVE_INFINITY
	// The first round warms both up.
	for (let round = -1; round < bench.rounds; round++) {
		const prompt = ours.randomTokens(8)
		const reply = await theirs.run({ type: 'decode', prompt, tokens: DECODE_TOKENS })
		const long = ours.randomTokens(PREFILL_TOKENS)
		const read = await theirs.run({ type: 'prefill', prompt: long })
		const same = commonPrefix(reply.tokenIds, ours.greedy(prompt, DECODE_TOKENS))
		agreement = Math.min(agreement, same)
		const ourDecode = ours.decode(1, DECODE_TOKENS)
		const ourPrefill = ours.prefill(PREFILL_TOKENS)
		if (round < 0) continue
		decode.theirs.push(DECODE_TOKENS / reply.seconds)
		decode.ours.push(DECODE_TOKENS / ourDecode)
		prefill.theirs.push(PREFILL_TOKENS / read.seconds)
		prefill.ours.push(PREFILL_TOKENS / ourPrefill)
	}
	const report = (figure: string, speeds: typeof decode) => {
		const add = (name: string, unit: string, samples: readonly number[]) =>
			bench.report.add({ subject: 'S', name: `${figure}, ${name}`, unit, samples })
		add(`ours, ${dtype}`, 'tok/s', speeds.ours)
		add(`llama.cpp, ${FORMATS[dtype]}`, 'tok/s', speeds.theirs)
		const ratios = speeds.ours.map((speed, i) => speed / speeds.theirs[i]!)
		add(`ours against llama.cpp, ${dtype}`, '×', ratios)
	}
	report('decode, 1 stream', decode)
	report(`prefill, ${PREFILL_TOKENS} tokens`, prefill)
	bench.report.note(
		`the same greedy tokens in ${dtype} and ${FORMATS[dtype]}: at least the first ${agreement} of ${DECODE_TOKENS}`,
	)
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
	const differs = b.findIndex((tokenId, i) => tokenId !== a[i])
	return differs === -1 ? b.length : differs
}

/** Installs the binding with the library built for this machine; returns its entry point. */
async function installBinding(): Promise<string> {
	const modules = join(CACHE, 'node_modules')
	const entryPoint = join(modules, 'node-llama-cpp/dist/index.js')
	if (existsSync(entryPoint)) return entryPoint
	await mkdir(CACHE, { recursive: true })
	const dependencies = {
		'node-llama-cpp': VERSION,
		[`@node-llama-cpp/linux-${process.arch}`]: VERSION,
	}
	await Bun.write(join(CACHE, 'package.json'), JSON.stringify({ private: true, dependencies }))
	// Optional dependencies are the libraries of other machines, gigabytes of them.
	const child = Bun.spawn([process.execPath, 'install', '--omit=optional', '--silent'], {
		cwd: CACHE,
		stdio: ['ignore', 'inherit', 'inherit'],
	})
	if ((await child.exited) !== 0) throw new Error('node-llama-cpp could not be installed')
	return entryPoint
}
