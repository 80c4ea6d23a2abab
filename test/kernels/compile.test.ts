/** What becomes of the kernels with compilers older than today's. */
import { expect, test } from 'bun:test'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openKernels } from '../../src/kernels/binding.ts'
import { compilerFor, isaFlags } from '../../src/kernels/compile.ts'
import { architectureOf, hostTarget } from '../../src/kernels/targets.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const compile = join(import.meta.dir, '../../src/kernels/compile.ts')

test('a compiler that does not know the youngest instructions makes all other sets', async () => {
	using directory = tempDir()
	const target = hostTarget()
	const name = compilerFor(target)
	const old = [
		'#!/bin/sh',
		'case "$*" in *-mamx*|*-mavxvnni*) echo "unrecognized option" >&2; exit 1;; esac',
		`exec ${Bun.which(name)} "$@"`,
	]
	writeFileSync(join(directory.path, name), old.join('\n'))
	chmodSync(join(directory.path, name), 0o755)
	const outPath = join(directory.path, 'libkernels.so')
	const options = JSON.stringify({ outPath, extraFlags: ['-O1'] })
	const script = `import { compileKernels } from ${JSON.stringify(compile)}; await compileKernels(${options})`
	const PATH = `${directory.path}:${process.env['PATH']}`
	const child = Bun.spawn([process.execPath, '-e', script], {
		env: { ...process.env, PATH },
		stderr: 'pipe',
	})
	expect(await new Response(child.stderr).text()).toBe('')
	const sets = Object.keys(isaFlags[architectureOf(target)]).filter(
		(isa) => !['amx', 'avx_vnni'].includes(isa),
	)
	expect(openKernels(outPath).isaList().sort()).toEqual(sets.sort())
}, 120_000)
