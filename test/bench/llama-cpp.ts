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
import { threadsText } from './machine-limits.ts'
import { REFERENCE_MODELS } from './reference-models.ts'
import { TaskProcess } from './task-process.ts'

const VERSION = '3.22.1'
const CACHE = join(import.meta.dir, '../../node_modules/.cache/bench-llama-cpp')
const PROMPT_TOKENS = 8
const PREFILL_TOKENS = 128
const DECODE_TOKENS_MIN = 4
const DECODE_TOKENS_MAX = 128
const SCORED_TOKENS = 64
/** Its f16 keys and values and its table for gelu make about 0.001. */
const SAME_MODEL_NATS = 0.01
/** Their names of the formats that correspond to ours. */
const FORMATS = { f32: 'F32', bf16: 'BF16', int8: 'Q8_0' } as const

interface Subject {
	readonly dtype: Dtype
	readonly threads: number
	readonly ours: BenchRunner
	readonly theirs: TaskProcess<LlamaCppTask, LlamaCppResult>
}

export async function compareLlamaCpp(bench: Bench): Promise<void> {
	const modulePath = await installBinding()
	for (const dtype of ['f32', 'bf16', 'int8'] as const) {
		const modelPath = join(bench.directory, `S-${dtype}.gguf`)
		writeGguf(modelPath, REFERENCE_MODELS.S, dtype)
		const { arena, config } = loadModel(bench, 'S', dtype)
		// GPT-2 has no soft cap.
		const model = { arena, dtype, config: { ...config, softCap: null } }
		const ours = new BenchRunner(bench.kernels, model)
		for (const threads of new Set([1, bench.threads])) {
			bench.kernels.threadsSet(threads)
			using theirs = new TaskProcess<LlamaCppTask, LlamaCppResult>('llama-cpp-process.ts')
			const contextSize = config.contextLength
			await theirs.run({ type: 'start', modulePath, modelPath, contextSize, threads })
			const subject = { dtype, threads, ours, theirs }
			if (threads === 1) await compareNumbers(bench, subject)
			await compareSpeed(bench, subject)
		}
	}
}

async function compareSpeed(bench: Bench, subject: Subject): Promise<void> {
	const { dtype, threads, ours, theirs } = subject
	const decode = { ours: [] as number[], theirs: [] as number[] }
	const prefill = { ours: [] as number[], theirs: [] as number[] }
	let tokens = DECODE_TOKENS_MIN
	// The first round warms both up and tells how many tokens a sample can have.
	for (let round = -1; round < bench.rounds; round++) {
		const prompt = ours.randomTokens(PROMPT_TOKENS)
		const reply = await theirs.run({ type: 'decode', prompt, tokens })
		const ourDecode = tokens / ours.decode(1, tokens)
		const read = await theirs.run({ type: 'prefill', prompt: ours.randomTokens(PREFILL_TOKENS) })
		const ourPrefill = PREFILL_TOKENS / ours.prefill(PREFILL_TOKENS)
		if (round < 0) {
			const affordable = (bench.sampleSeconds * 2 * tokens) / reply.seconds
			tokens = Math.round(Math.min(Math.max(affordable, tokens), DECODE_TOKENS_MAX))
			continue
		}
		decode.ours.push(ourDecode)
		decode.theirs.push(tokens / reply.seconds)
		prefill.ours.push(ourPrefill)
		prefill.theirs.push(PREFILL_TOKENS / read.seconds)
	}
	const report = (figure: string, speeds: typeof decode) => {
		const add = (name: string, unit: string, samples: readonly number[]) =>
			bench.report.add({ subject: 'S', name: `${figure}, ${name}`, unit, samples })
		add(`llama.cpp ${FORMATS[dtype]}, ${threadsText(threads)}`, 'tok/s', speeds.theirs)
		add(`ours ${dtype}, ${threadsText(threads)}`, 'tok/s', speeds.ours)
		const ratios = speeds.ours.map((speed, i) => speed / speeds.theirs[i]!)
		add('ours against llama.cpp', '×', ratios)
	}
	report('decode', decode)
	report(`prefill, ${PREFILL_TOKENS} tokens`, prefill)
}

/** How far the two are apart in what they compute: the same weights must give the same numbers. */
async function compareNumbers(bench: Bench, { dtype, ours, theirs }: Subject): Promise<void> {
	const samples: number[] = []
	for (let round = 0; round < bench.rounds; round++) {
		const prompt = ours.randomTokens(SCORED_TOKENS)
		const { logprobs } = await theirs.run({ type: 'score', prompt })
		const byToken = new Map(logprobs)
		const differences = ours
			.nextLogprobs(prompt)
			.map(([tokenId, logprob]) => Math.abs(logprob - (byToken.get(tokenId) ?? 0)))
		samples.push(Math.max(...differences))
	}
	if (dtype === 'f32' && Math.max(...samples) > SAME_MODEL_NATS) {
		throw new Error(`llama.cpp computes another model: log-probabilities differ by ${samples}`)
	}
	const name = `largest difference of log-probabilities, ${dtype}`
	bench.report.add({ subject: 'S', name, unit: 'nats', samples })
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
