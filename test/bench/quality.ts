/**
 * What a dtype costs in quality: mean negative log-likelihood of a text that the embedded model has
 * not seen. It was trained on Jane Austen's novels without their last 4 %, which is a part of
 * Persuasion; held-text.txt is that novel's last chapter, written as the training text was (blank
 * lines between paragraphs, single blanks between sentences).
 */
import { join } from 'node:path'
import type { LoadedCheckpoint } from '../../src/checkpoint/load/checkpoint-info.ts'
import type { Kernels } from '../../src/kernels/binding.ts'
import type { Dtype } from '../../src/model/model-config.ts'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import { type Bench, loadModel } from './bench-context.ts'
import { BenchRunner } from './bench-runner.ts'
import { mean } from './statistics.ts'

const TEXT_PATH = join(import.meta.dir, 'held-text.txt')

export async function measureQuality(bench: Bench): Promise<void> {
	const losses = (dtype: Dtype) => heldLosses(bench.kernels, loadModel(bench, 'embedded', dtype))
	const exact = await losses('f32')
	const add = (name: string, nats: number) =>
		bench.report.add({ subject: 'embedded', name, unit: 'nats', samples: [nats] })
	add(`negative log-likelihood, f32, ${exact.length} tokens`, mean(exact))
	for (const dtype of ['bf16', 'int8'] as const) {
		const { more, eitherWay } = lossDifference(await losses(dtype), exact)
		add(`the same, ${dtype} against f32`, more)
		add(`of a token, ${dtype} against f32`, eitherWay)
	}
}

/** How much more the tokens lose than the exact ones, in the mean, and how much a token's loss differs. */
export function lossDifference(losses: readonly number[], exact: readonly number[]) {
	const differences = losses.map((loss, i) => loss - exact[i]!)
	return { more: mean(differences), eitherWay: mean(differences.map(Math.abs)) }
}

/**
 * Nats of each token of the held text, in windows of the longest prompt or `longest` tokens; the first token of
 * each is not predicted.
 */
export async function heldLosses(
	kernels: Kernels,
	model: LoadedCheckpoint,
	longest = Number.POSITIVE_INFINITY,
): Promise<number[]> {
	const text = await Bun.file(TEXT_PATH).text()
	const tokenIds = createTokenizer(model.tokenizerSpec).encode(text)
	const runner = new BenchRunner(kernels, model)
	const window = Math.min(longest, runner.config.contextLength - 1)
	const losses: number[] = []
	for (let start = 0; start < tokenIds.length; start += window) {
		losses.push(...runner.score(tokenIds.slice(start, start + window)).map((score) => -score))
	}
	return losses
}
