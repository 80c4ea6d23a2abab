/** What static analysers say of the C sources: nothing, but for findings that are explained here. */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import {
	hasFlag,
	isaFlags,
	kernelFlags,
	plainSources,
	youngIsas,
} from '../../src/kernels/compile.ts'
import { architectureOf, hostTarget } from '../../src/kernels/targets.ts'

const sources = join(import.meta.dir, '../../src/kernels')
const analysisMs = 300_000

interface Analyser {
	readonly command: string
	/** Of one file. */
	readonly args: (flags: readonly string[], file: string) => readonly string[]
	/** Findings that are none, each with its reason. */
	readonly explained: Readonly<Record<string, RegExp>>
}

const analysers: readonly Analyser[] = [
	{
		command: 'gcc',
		args: (flags, file) => [...flags, '-fanalyzer', '-c', '-o', '/dev/null', file],
		explained: {
			'it takes loops over fixed rows for loops that may not run at all': /(chain|dot)\[.*\]\[.*\]/,
		},
	},
	{
		command: 'clang-tidy-14',
		args: (flags, file) => [
			'--quiet',
			[
				'--checks=-*',
				'clang-analyzer-*',
				'bugprone-*',
				// The C library here has no functions of Annex K.
				'-clang-analyzer-security.insecureAPI.*',
				// Shapes are many integers side by side.
				'-bugprone-easily-swappable-parameters',
				'-bugprone-narrowing-conversions',
				// The words of the pool are apart on purpose: each has a cache line of its own.
				'-clang-analyzer-optin.performance.Padding',
			].join(','),
			file,
			'--',
			...flags,
		],
		explained: {},
	},
	{
		command: 'cppcheck',
		args: (flags, file) => [
			'--enable=warning,performance',
			'--std=c11',
			'--quiet',
			'--template={file}:{line}: warning: {message}',
			...flags.filter((flag) => flag.startsWith('-D')),
			file,
		],
		explained: {
			'a program of an activation has at least one operation': /Uninitialized variables: stack/,
		},
	},
]

/** Lines of findings in what an analyser printed, without those that are explained. */
function findings({ command, args, explained }: Analyser, flags: readonly string[], file: string) {
	const child = Bun.spawnSync([command, ...args(flags, file)], { cwd: sources })
	const text = `${child.stdout}${child.stderr}`
	const lines = text.split('\n').filter((line) => /\b(warning|error): /.test(line))
	const reasons = Object.values(explained)
	return lines.filter((line) => !reasons.some((pattern) => pattern.test(line)))
}

for (const analyser of analysers) {
	const isMissing = Bun.which(analyser.command) === null
	const note = isMissing ? ' (skipped: not installed)' : ''

	describe.skipIf(isMissing)(`${analyser.command} finds nothing${note}`, () => {
		test.each(plainSources)(
			'in %s',
			(file) => {
				const flags = [...kernelFlags, ...youngIsas.map(hasFlag)]
				expect(findings(analyser, flags, file)).toEqual([])
			},
			analysisMs,
		)

		// The other instruction sets are the same code over other vectors.
		test(
			'in the operations',
			() => {
				const architecture = architectureOf(hostTarget())
				const isa = architecture === 'x64' ? 'avx2' : 'neon'
				const flags = [
					...kernelFlags,
					...(isaFlags[architecture][isa] ?? []),
					`-DISA=${isa}`,
					`-DISA_HEADER="../isa/${isa}.h"`,
				]
				expect(findings(analyser, flags, 'kernels_isa.c')).toEqual([])
			},
			analysisMs,
		)
	})
}

test('an analyser that is here finds what is wrong', () => {
	const [gcc] = analysers
	const flags = ['-std=c11', '-O1', '-x', 'c']
	const faulty = join(import.meta.dir, '../fixtures/faulty.c')
	expect(findings(gcc!, flags, faulty).join('\n')).toContain('leak of')
})
