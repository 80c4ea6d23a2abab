/** Builds and runs the conformance driver (driver/) for this machine, for arm64, with sanitizers. */
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { compileKernels, compilerFor, kernelFlags, runCompiler } from '../../src/kernels/compile.ts'
import { hostTarget, type KernelTarget } from '../../src/kernels/targets.ts'

const root = join(import.meta.dir, '../..')
const kernelSources = join(root, 'src/kernels')
const driverDirectory = join(import.meta.dir, 'driver')
const driverFiles = readdirSync(driverDirectory).map((name) => join(driverDirectory, name))

export interface DriverOptions {
	/** Folder of dist/ for library and program; '' shares the library that the other tests use. */
	readonly folder: string
	readonly target?: KernelTarget
	readonly extraFlags?: readonly string[]
}

/** Compiles library and driver unless they are up to date; returns the driver's path. */
export async function buildDriver(options: DriverOptions): Promise<string> {
	const { folder, target = hostTarget(), extraFlags = [] } = options
	const directory = join(root, 'dist', folder)
	const driver = join(directory, 'kernels-driver')
	const library = join(directory, 'libkernels.so')
	mkdirSync(directory, { recursive: true })
	await compileKernels({ outPath: library, target, extraFlags })
	const made = existsSync(driver) ? statSync(driver).mtimeMs : 0
	if ([library, ...driverFiles].every((path) => statSync(path).mtimeMs < made)) return driver
	await runCompiler([
		compilerFor(target),
		...kernelFlags,
		// gcc 12 for arm64 crashes when it vectorises the reference's maximum.
		'-O2',
		'-fno-tree-vectorize',
		...extraFlags,
		`-I${kernelSources}`,
		...driverFiles.filter((path) => path.endsWith('.c')),
		library,
		'-Wl,-rpath,$ORIGIN',
		'-lm',
		'-o',
		driver,
	])
	return driver
}

/** Runs a program; returns what it printed, throws what it complained about. */
export async function runDriver(command: readonly string[]): Promise<string> {
	const child = Bun.spawn([...command], { stdout: 'pipe', stderr: 'pipe' })
	const [status, output, complaint] = await Promise.all([
		child.exited,
		new Response(child.stdout).text(),
		new Response(child.stderr).text(),
	])
	if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${complaint}`)
	return output
}
