/** Tokens a second of one stream whose next tokens are guessed ahead, beside one whose are not, by turns. */
import { type Bench, checkpointPath, roundsOf } from './bench-context.ts'
import { BenchRunner } from './bench-runner.ts'
import type { Goal } from './report.ts'
import { type Widening, widenModel } from './widened-model.ts'

/** The embedded model's texts at the size of M, a model of 135 million parameters, and L. */
const SIZES: Readonly<Record<string, Widening>> = {
	M: { copies: 2, nLayer: 8, vocabSize: 4000 },
	'135M': { copies: 3, nLayer: 30, vocabSize: 49152 },
	L: { copies: 4, nLayer: 12, vocabSize: 50257 },
}
const TOKENS = 128
/** Rows of steps that are compared with a step of one: what guesses cost. */
const ROWS = [2, 4, 8] as const
const ROWS_STEPS = 16
/** Texts that a server has written before those that count: what they say is guessed in later ones. */
const EARLIER_TEXTS = 100
const EARLIER_TOKENS = 250

const DRAWS = {
	'temperature 0.7': { temperature: 0.7, topK: 40 },
	greedy: { temperature: 0, topK: 0 },
} as const

const GOALS: Readonly<Record<string, Readonly<Record<keyof typeof DRAWS, number>>>> = {
	'135M': { 'temperature 0.7': 1.25, greedy: 2 },
	L: { 'temperature 0.7': 1.25, greedy: 2 },
}

export async function measureGuesses(bench: Bench): Promise<void> {
	const path = checkpointPath(bench, 'embedded')
	const sizes = Object.entries(SIZES).filter(([name]) => !bench.isQuick || name === 'L')
	for (const [name, size] of sizes) {
		const model = widenModel(bench.kernels, path, 'f32', size)
		const plain = new BenchRunner(bench.kernels, model)
		const guessing = new BenchRunner(bench.kernels, model, { guesses: true })
		guessing.writeTogether(EARLIER_TEXTS, EARLIER_TOKENS, DRAWS['temperature 0.7'])
		await measureRows(bench, name, plain)
		let seed = EARLIER_TEXTS
		for (const [draw, sampling] of Object.entries(DRAWS)) {
			const ratios: number[] = []
			const speeds: number[] = []
			const tokensPerStep: number[] = []
			for await (const _ of roundsOf(bench)) {
				const request = { ...sampling, seed: ++seed }
				const without = plain.write(TOKENS, request)
				const withGuesses = guessing.write(TOKENS, request)
				if (without.tokenIds.join() !== withGuesses.tokenIds.join()) {
					throw new Error('guesses have changed a text')
				}
				speeds.push(TOKENS / withGuesses.seconds)
				ratios.push(without.seconds / withGuesses.seconds)
				tokensPerStep.push(TOKENS / withGuesses.steps)
			}
			const limit = GOALS[name]?.[draw as keyof typeof DRAWS]
			const goal: Goal | null = limit === undefined ? null : { of: 'value', bound: 'min', limit }
			const figure = `guesses, ${draw}`
			bench.report.add({ subject: name, name: figure, unit: 'tok/s', samples: speeds })
			bench.report.add({
				subject: name,
				name: `${figure}, tokens a step`,
				unit: 'tokens',
				samples: tokensPerStep,
			})
			bench.report.add({
				subject: name,
				name: `${figure}, against none`,
				unit: '×',
				samples: ratios,
				goal,
			})
		}
	}
}

/** Steps of several rows against steps of one, by turns. */
async function measureRows(bench: Bench, subject: string, runner: BenchRunner): Promise<void> {
	const samples = ROWS.map((): number[] => [])
	for await (const _ of roundsOf(bench)) {
		const one = runner.decode(1, ROWS_STEPS)
		for (const [i, rows] of ROWS.entries()) {
			samples[i]!.push(runner.decode(rows, ROWS_STEPS) / one)
		}
	}
	for (const [i, rows] of ROWS.entries()) {
		const name = `a step of ${rows} rows against one of one`
		bench.report.add({ subject, name, unit: '×', samples: samples[i]! })
	}
}
