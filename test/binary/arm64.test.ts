/*
 * The arm64 executable (NEON kernels, Bun's cross target) under emulation: it serves, and gives the
 * bits that this machine gives.
 */
import { beforeAll, describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { startAlpha } from '../helpers/alpha-server.ts'

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

interface Completion {
	readonly choices: readonly unknown[]
}

async function complete(url: string): Promise<readonly unknown[]> {
	const response = await fetch(`${url}/v1/completions`, {
		method: 'POST',
		body: JSON.stringify({
			prompt: 'It is a truth universally acknowledged, that a single man',
			model: 'novels-austen',
			max_tokens: 24,
			temperature: 0.9,
			top_p: 0.95,
			seed: 11,
			n: 2,
			logprobs: 3,
		}),
	})
	return ((await response.json()) as Completion).choices
}

describe.skipIf(missing.length > 0)(`the arm64 executable${reason}`, () => {
	beforeAll(async () => {
		const build = Bun.spawn(
			[process.execPath, 'build.ts', '--if-changed', '--target', 'bun-linux-arm64'],
			{ cwd: root, stdout: 'inherit', stderr: 'inherit' },
		)
		expect(await build.exited).toBe(0)
	}, BUILD_MS)

	test.each(['f32', 'bf16', 'int8'])(
		'gives the tokens and log-probabilities of this machine in %s',
		async (dtype) => {
			const options = { runs: [], args: ['--dtype', dtype, '--threads', '2'] }
			await using here = await startAlpha(options)
			await using there = await startAlpha({ ...options, command: emulated })
			const choices = await complete(here.url)
			expect(choices).toHaveLength(2)
			expect(await complete(there.url)).toEqual(choices)
		},
		RUN_MS,
	)
})
