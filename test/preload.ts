// Runs before every test process: the kernels that the tests open are those of the sources.
import { join } from 'node:path'
import { compileKernels } from '../src/kernels/compile.ts'

try {
	await compileKernels({ outPath: join(import.meta.dir, '../dist/libkernels.so') })
} catch (error) {
	console.error(error instanceof Error ? error.message : error)
	process.exit(1)
}
