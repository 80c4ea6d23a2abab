// The conformance cases and random sizes under AddressSanitizer and UndefinedBehaviorSanitizer, the
// thread pool under ThreadSanitizer.
import { beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openKernels } from '../../src/kernels/binding.ts'
import { compilerFor } from '../../src/kernels/compile.ts'
import { hostTarget } from '../../src/kernels/targets.ts'
import { buildDriver, runDriver } from './driver.ts'

const kernels = openKernels(join(import.meta.dir, '../../dist/libkernels.so'))
const isas = kernels.isaList().filter((isa) => kernels.isaSupported(isa))
const buildMs = 600_000
const runMs = 120_000
const fuzzSeed = '20240607'
const fuzzRounds = '1000'

/** Whether the compiler can link and run a program with this sanitizer. */
function hasSanitizer(flag: string): boolean {
	const directory = mkdtempSync(join(tmpdir(), 'sanitizer-'))
	try {
		const program = join(directory, 'empty')
		const compile = Bun.spawnSync(
			[compilerFor(hostTarget()), flag, '-x', 'c', '-', '-o', program],
			{ stdin: Buffer.from('int main(void) { return 0; }') },
		)
		return compile.exitCode === 0 && Bun.spawnSync([program]).exitCode === 0
	} finally {
		rmSync(directory, { recursive: true })
	}
}

const sanitizers = [
	{
		name: 'AddressSanitizer and UndefinedBehaviorSanitizer',
		folder: 'kernels-asan',
		flags: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
		threads: '2',
		isas,
	},
	{
		name: 'ThreadSanitizer',
		folder: 'kernels-tsan',
		flags: ['-fsanitize=thread'],
		threads: '4',
		// The pool is the same code for all of them.
		isas: isas.slice(0, 1),
	},
]

for (const { name, folder, flags, threads, isas: tested } of sanitizers) {
	const isMissing = !hasSanitizer(flags[0]!)
	const reason = isMissing ? ' (skipped: the C compiler lacks it)' : ''

	describe.skipIf(isMissing)(`${name}${reason}`, () => {
		let driver = ''
		let expected = ''
		beforeAll(async () => {
			// -Og comes last and wins: compiling instrumented vector code takes minutes otherwise.
			driver = await buildDriver({ folder, extraFlags: [...flags, '-g', '-Og'] })
			expected = await runDriver([await buildDriver({ folder: '' }), 'scalar', '1'])
		}, buildMs)

		test.each(tested)(
			'finds nothing in the conformance cases on %s',
			async (isa) => {
				expect(await runDriver([driver, isa, threads])).toBe(expected)
			},
			runMs,
		)

		test.each(tested)(
			'finds nothing in random sizes on %s',
			async (isa) => {
				const output = await runDriver([driver, isa, threads, fuzzSeed, fuzzRounds])
				expect(output).toStartWith('fuzz ')
			},
			runMs,
		)
	})
}
