/*
 * The arm64 executable (NEON kernels, Bun's cross target) under emulation: it serves, and gives the
 * bits that this machine gives.
 */
import { beforeAll, describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { startAlpha } from '../helpers/alpha-server.ts'
import { trainedModels } from '../helpers/fixtures.ts'

const root = join(import.meta.dir, '../..')
const sysroot = '/usr/aarch64-linux-gnu'
const emulated = ['qemu-aarch64', '-L', sysroot, join(root, 'dist/alpha-linux-arm64')]

const missing = [
	...['qemu-aarch64', 'aarch64-linux-gnu-gcc'].filter((tool) => Bun.which(tool) === null),
	...(existsSync(sysroot) ? [] : [sysroot]),
	...(process.arch === 'x64' ? [] : ['an x64 machine']),
]
const reason = missing.length === 0 ? '' : ` (skipped: no ${missing.join(', ')})`

/** Building fetches Bun for arm64; starting under emulation takes seconds. */
const BUILD_MS = 300_000
const RUN_MS = 120_000

const runs = trainedModels().flatMap(({ name }) => (name === 'novels-austen' ? [] : [name]))

interface Completion {
	readonly choices: readonly unknown[]
}

/** Sampled choices with log-probabilities, and a scored prompt, of every model. */
async function answers(url: string): Promise<Record<string, unknown>> {
	const told: Record<string, unknown> = {}
	for (const model of [...runs, 'novels-austen']) {
		const response = await fetch(`${url}/v1/completions`, {
			method: 'POST',
			body: JSON.stringify({
				model,
				prompt: [1, 5, 9, 2, 0, 7, 7, 7, 3, 11, 4, 8],
				max_tokens: 20,
				temperature: 0.9,
				top_p: 0.95,
				seed: 11,
				n: 2,
				logprobs: 3,
				echo: true,
			}),
		})
		told[model] = ((await response.json()) as Completion).choices
	}
	return told
}

describe.skipIf(missing.length > 0)(`the arm64 executable${reason}`, () => {
	beforeAll(async () => {
		const build = Bun.spawn(
			[process.execPath, 'build.ts', '--if-changed', '--target', 'linux-arm64'],
			{ cwd: root, stdout: 'inherit', stderr: 'inherit' },
		)
		expect(await build.exited).toBe(0)
	}, BUILD_MS)

	test.each(['f32', 'bf16', 'int8'])(
		'gives the tokens and log-probabilities of this machine for every model in %s',
		async (dtype) => {
			const options = { runs, args: ['--dtype', dtype, '--threads', '2'] }
			await using here = await startAlpha(options)
			await using there = await startAlpha({ ...options, command: emulated })
			const expected = await answers(here.url)
			for (const choices of Object.values(expected)) expect(choices).toHaveLength(2)
			expect(await answers(there.url)).toEqual(expected)
		},
		RUN_MS,
	)
})
