/** For which systems the kernels can be built: what needs no minutes of compiling. */
import { describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
	hasFlag,
	isaFlags,
	kernelFlags,
	plainSources,
	youngIsas,
} from '../../src/kernels/compile.ts'
import { findTarget, kernelTargets, toolchainOf } from '../../src/kernels/targets.ts'

const root = join(import.meta.dir, '../..')
const sources = join(root, 'src/kernels')

test.each(['bun-windows-arm64', 'freebsd-x64', 'linux'])('%s is refused in a sentence', (name) => {
	const command = [process.execPath, 'build.ts', '--target', name]
	const { exitCode, stderr } = Bun.spawnSync(command, { cwd: root })
	expect(exitCode).toBe(1)
	expect(stderr.toString().trim()).toBe(
		`--target: expected one of ${kernelTargets.join(', ')}, got "${name}", for which there are no kernels`,
	)
})

/** The compiler, or a file that its flags name, where it is not installed. */
function missingOf(compiler: string, flags: readonly string[]): string | undefined {
	if (Bun.which(compiler) === null) return compiler
	const specs = flags.flatMap((flag) => flag.match(/(?<=^-specs=).*/) ?? [])
	return specs.find((path) => !existsSync(path))
}

test('Bun puts its own name before those of targets', () => {
	expect(findTarget('bun-linux-arm64')).toBe('linux-arm64')
	expect(findTarget('linux-arm64')).toBe('linux-arm64')
})

describe.each(kernelTargets)('for %s', (target) => {
	const { architecture, compiler, compileFlags } = toolchainOf(target)
	const missing = missingOf(compiler, compileFlags)
	const note = missing === undefined ? '' : ` (skipped: no ${missing})`

	test.skipIf(missing !== undefined)(
		`what does not compute is C that it understands${note}`,
		() => {
			const has = youngIsas.map(hasFlag)
			const flags = [...kernelFlags, ...compileFlags, ...has, '-fsyntax-only']
			const scalar = ['-DISA=scalar', '-DISA_HEADER="../isa/scalar.h"']
			expect(Object.keys(isaFlags[architecture])).toContain('scalar')
			for (const source of [...plainSources, 'kernels_isa.c']) {
				const { stderr } = Bun.spawnSync([compiler, ...flags, ...scalar, join(sources, source)])
				expect(stderr.toString()).toBe('')
			}
		},
	)
})
