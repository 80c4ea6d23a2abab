import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { compilerFor } from '../../src/kernels/compile.ts'
import { hostTarget } from '../../src/kernels/targets.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const root = join(import.meta.dir, '../..')
const sources = ['test/kernels/json_floats_fuzz.c', 'src/kernels/json_floats.c']
const flags = ['-std=c11', '-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all']

/** Compiles with the sanitizers; undefined where this compiler has none. */
function build(program: string): string | undefined {
	const command = [compilerFor(hostTarget()), ...flags, '-o', program, ...sources]
	const { exitCode, stderr } = Bun.spawnSync(command, { cwd: root })
	if (exitCode === 0) return program
	const message = stderr.toString()
	if (/lib(a|ub)san|cannot find/.test(message)) return undefined
	throw new Error(message)
}

using directory = tempDir()
const program = build(join(directory.path, 'fuzz'))
const run = program === undefined ? null : Bun.spawnSync([program, '300000', '1'])

test.skipIf(run === null)(
	'the number parser reads no byte too far on random texts (ASan, UBSan)',
	() => {
		expect([run?.exitCode, run?.stderr.toString()]).toEqual([0, ''])
		expect(run?.stdout.toString()).toMatch(/^\d+ of 300000 accepted/)
	},
)
