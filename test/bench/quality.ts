/**
 * What a dtype costs in quality: mean negative log-likelihood of a text that the embedded model has
 * not seen. It was trained on Jane Austen's novels without their last 4 %, which is a part of
 * Persuasion; held-text.txt is that novel's last chapter, written as the training text was (blank
 * lines between paragraphs, single blanks between sentences).
 */
import { join } from 'node:path'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import { type Bench, loadModel } from './bench-context.ts'
import { BenchRunner } from './bench-runner.ts'

const TEXT_PATH = join(import.meta.dir, 'held-text.txt')

export async function measureQuality(bench: Bench): Promise<void> {
	const text = await Bun.file(TEXT_PATH).text()
	let exact = Number.NaN
	for (const dtype of ['f32', 'bf16', 'int8'] as const) {
		const model = loadModel(bench, 'embedded', dtype)
		const tokenIds = createTokenizer(model.tokenizerSpec).encode(text)
		const loss = meanLoss(new BenchRunner(bench.kernels, model), tokenIds)
		if (dtype === 'f32') exact = loss
		const difference = dtype === 'f32' ? `, ${tokenIds.length} tokens` : ''
		bench.report.add({
			subject: 'embedded',
			name: `negative log-likelihood, ${dtype}${difference}`,
			unit: 'nats',
			samples: [loss],
		})
		if (dtype === 'f32') continue
		bench.report.add({
			subject: 'embedded',
			name: `the same, ${dtype} against f32`,
			unit: 'nats',
			samples: [loss - exact],
		})
	}
}

/** Nats per token, in windows of the longest prompt; the first token of each is not predicted. */
function meanLoss(runner: BenchRunner, tokenIds: readonly number[]): number {
	const window = runner.config.contextLength - 1
	let sum = 0
	let count = 0
	for (let start = 0; start < tokenIds.length; start += window) {
		for (const logprob of runner.score(tokenIds.slice(start, start + window))) {
			sum -= logprob
			count++
		}
	}
	return sum / count
}
