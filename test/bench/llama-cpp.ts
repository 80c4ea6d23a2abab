/**
 * The same weights, the same work, in the same moments: our engine and llama.cpp's own benchmark, built
 * for this machine, take turns.
 */
import { unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { openFileSource } from '../../src/checkpoint/formats/byte-source.ts'
import { openCheckpoint } from '../../src/checkpoint/formats/open.ts'
import type { Dtype } from '../../src/model/model-config.ts'
import { packNetwork } from '../helpers/families.ts'
import { type Bench, loadModel, roundsOf } from './bench-context.ts'
import { BenchRunner } from './bench-runner.ts'
import { writeGguf } from './gguf-writer.ts'
import { buildLlamaBench } from './llama-cpp-build.ts'
import { threadsText } from './machine-limits.ts'
import { REFERENCE_MODELS } from './reference-models.ts'

const PROMPT_TOKENS = 128
const DECODE_TOKENS = 64
const SCORED_TOKENS = 64
/** Two files of one model give the same numbers but for the order of sums. */
const SAME_MODEL_NATS = 1e-3
/** Their names of the formats that correspond to ours. */
const FORMATS = { f32: 'F32', bf16: 'BF16', int8: 'Q8_0' } as const

interface Subject {
	readonly name: 'S' | 'L'
	readonly dtype: Dtype
	readonly threads: number
	readonly program: string
	readonly path: string
	readonly ours: BenchRunner
}

export async function compareLlamaCpp(bench: Bench): Promise<void> {
	const program = await buildLlamaBench()
	for (const name of ['S', 'L'] as const) {
		for (const dtype of ['f32', 'bf16', 'int8'] as const) {
			const path = join(bench.directory, `${name}-${dtype}.gguf`)
			writeGguf(path, REFERENCE_MODELS[name], dtype)
			const { arena } = loadModel(bench, name, dtype)
			// GPT-2 has no soft cap.
			const config = { ...REFERENCE_MODELS[name].config, softCap: null }
			const ours = new BenchRunner(bench.kernels, { arena, dtype, config })
			if (name === 'S' && dtype === 'f32') expectSameModel(bench, path, ours)
			for (const threads of new Set([1, bench.threads])) {
				bench.kernels.threadsSet(threads)
				await compareSpeed(bench, { name, dtype, threads, program, path, ours })
			}
			unlinkSync(path)
		}
	}
}

async function compareSpeed(bench: Bench, subject: Subject): Promise<void> {
	const { name, dtype, threads, ours } = subject
	const decode = { ours: [] as number[], theirs: [] as number[] }
	const prompt = { ours: [] as number[], theirs: [] as number[] }
	for await (const _ of roundsOf(bench)) {
		const theirs = await runLlamaBench(subject)
		decode.theirs.push(theirs.decode)
		prompt.theirs.push(theirs.prompt)
		// As theirs does: once to warm up.
		ours.prefill(PROMPT_TOKENS)
		prompt.ours.push(PROMPT_TOKENS / ours.prefill(PROMPT_TOKENS))
		ours.decode(1, 1)
		decode.ours.push(DECODE_TOKENS / ours.decode(1, DECODE_TOKENS))
	}
	const report = (figure: string, speeds: typeof decode) => {
		const add = (who: string, unit: string, samples: readonly number[]) =>
			bench.report.add({ subject: name, name: `${figure}, ${who}`, unit, samples })
		add(`llama.cpp ${FORMATS[dtype]}, ${threadsText(threads)}`, 'tok/s', speeds.theirs)
		add(`ours ${dtype}, ${threadsText(threads)}`, 'tok/s', speeds.ours)
		const ratios = speeds.ours.map((speed, i) => speed / speeds.theirs[i]!)
		add('ours against llama.cpp', '×', ratios)
	}
	report(`decode, ${DECODE_TOKENS} tokens`, decode)
	report(`prompt of ${PROMPT_TOKENS} tokens`, prompt)
}

/** Tokens per second of one run of its own benchmark. */
async function runLlamaBench({ program, path, threads }: Subject) {
	const work = ['-p', String(PROMPT_TOKENS), '-n', String(DECODE_TOKENS), '-r', '1']
	const options = ['-m', path, '-t', String(threads), '-ngl', '0', '-o', 'json', ...work]
	const child = Bun.spawn([program, ...options], { stdio: ['ignore', 'pipe', 'ignore'] })
	const text = await new Response(child.stdout).text()
	if ((await child.exited) !== 0) throw new Error('llama-bench failed')
	const tests = JSON.parse(text) as readonly {
		readonly n_prompt: number
		readonly n_gen: number
		readonly avg_ts: number
	}[]
	const speedOf = (isDecode: boolean) => tests.find(({ n_gen: n }) => n > 0 === isDecode)!.avg_ts
	return { decode: speedOf(true), prompt: speedOf(false) }
}

/** The file that llama.cpp gets must hold the model that we run. */
function expectSameModel(bench: Bench, path: string, ours: BenchRunner): void {
	using source = openFileSource(path)
	const read = packNetwork(bench.kernels, openCheckpoint(source), 'f32')
	const prompt = ours.randomTokens(SCORED_TOKENS)
	const other = new Map(new BenchRunner(bench.kernels, read).nextLogprobs(prompt))
	// Of the most likely tokens, a last one may be another one's neighbour.
	const distances = ours.nextLogprobs(prompt).flatMap(([tokenId, logprob]) => {
		const theirs = other.get(tokenId)
		return theirs === undefined ? [] : [Math.abs(logprob - theirs)]
	})
	if (Math.max(...distances) > SAME_MODEL_NATS) {
		throw new Error(
			`llama.cpp computes another model: log-probabilities differ by ${Math.max(...distances)}`,
		)
	}
}
