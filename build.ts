/**
 * Builds `dist/alpha`, one executable with everything inside: kernels, workers, web page, Swagger UI
 * and the embedded model. `bun build.ts [--if-changed] [--library] [--release] [--target linux-arm64]`
 *
 * Files travel as Bun's `assets`: the executable finds them beside its bundle, the checkout in their
 * usual places; `src/commands/packaged-files.ts` knows both.
 */
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { compileKernels } from './src/kernels/compile.ts'
import { libraryName } from './src/kernels/library-path.ts'
import {
	findTarget,
	hostTarget,
	type KernelTarget,
	kernelTargets,
	platformOf,
} from './src/kernels/targets.ts'

const ROOT = import.meta.dir
const DIST = join(ROOT, 'dist')

/** Modules that the executable starts with, or as a worker. */
const ENTRY_POINTS = [
	'src/main.ts',
	'src/engine/worker/worker.ts',
	'src/checkpoint/load/worker/worker.ts',
]

/** Files and directories that the executable carries, reachable under their last path segment. */
const ASSETS = ['checkpoints/novels-austen', 'src/ui/page']

/** What `dist/alpha` is a function of, besides the compiler. */
const SOURCES = [
	'src/**/*',
	'checkpoints/novels-austen/*',
	'deploy/systemd/*',
	'bun.lock',
	'package.json',
	'tsconfig.json',
	'build.ts',
]

/** Digest of the files' names and contents; modification times do not survive a checkout. */
async function digestFiles(patterns: readonly string[]): Promise<string> {
	const paths = new Set<string>()
	for (const pattern of patterns) {
		for await (const path of new Bun.Glob(pattern).scan({ cwd: ROOT, dot: true })) paths.add(path)
	}
	const hasher = new Bun.CryptoHasher('sha256')
	for (const path of [...paths].sort()) {
		const bytes = await Bun.file(join(ROOT, path)).bytes()
		hasher.update(`${path}\0${bytes.byteLength}\0`)
		hasher.update(bytes)
	}
	return hasher.digest('hex')
}

/** True when `output` exists and was made from sources with this digest. */
async function isUpToDate(output: string, digest: string): Promise<boolean> {
	const stamp = Bun.file(`${output}.sha256`)
	return (
		(await Bun.file(output).exists()) && (await stamp.exists()) && (await stamp.text()) === digest
	)
}

/** Lets `make` write into an empty directory, then moves its file to `output`: nobody sees half of it. */
async function produce(
	output: string,
	digest: string,
	make: (path: string) => Promise<void>,
): Promise<void> {
	await mkdir(dirname(output), { recursive: true })
	const workspace = await mkdtemp(join(dirname(output), '.build-'))
	try {
		const path = join(workspace, basename(output))
		await make(path)
		await rename(path, output)
		await Bun.write(`${output}.sha256`, digest)
	} finally {
		await rm(workspace, { recursive: true, force: true })
	}
}

/** Builds the executable, for this machine as it is or for a target by name. */
async function buildExecutable(options: {
	target: KernelTarget | undefined
	ifChanged: boolean
	isRelease: boolean
}): Promise<void> {
	const { target, ifChanged, isRelease } = options
	const suffix = (target ?? hostTarget()).startsWith('windows') ? '.exe' : ''
	const executable = join(DIST, `${target === undefined ? 'alpha' : `alpha-${target}`}${suffix}`)
	const stamp = isRelease ? releaseStamp() : null
	const digest = `${await digestFiles(SOURCES)}${stamp ?? ''}`
	if (ifChanged && (await isUpToDate(executable, digest))) return
	const library = await buildLibrary(target)
	await produce(executable, digest, async (outfile) => {
		const result = await Bun.build({
			entrypoints: ENTRY_POINTS.map((path) => join(ROOT, path)),
			sourcemap: 'inline',
			// Halves the time to start: parsing is done here. Bytecode with top-level await needs ESM.
			bytecode: true,
			format: 'esm',
			...(stamp === null ? {} : { define: { ALPHA_BUILD: JSON.stringify(stamp) } }),
			throw: false,
			compile: {
				...(target === undefined ? {} : { target: `bun-${target}` }),
				outfile,
				assets: [...ASSETS.map((path) => join(ROOT, path)), library],
				// The directory where a server is started must not be able to run code in it.
				autoloadBunfig: false,
				autoloadDotenv: false,
				autoloadTsconfig: false,
				autoloadPackageJson: false,
			},
		})
		if (!result.success) throw new Error(result.logs.map(String).join('\n'))
	})
	console.log(
		`built dist/${basename(executable)}, ${(Bun.file(executable).size / 1e6).toFixed(0)} MB`,
	)
}

/** What `--version` tells of a release: its commit and that commit's date. Throws outside of a clone. */
function releaseStamp(): string {
	const command = ['git', 'log', '-1', '--format=%h, %cs', '--abbrev=12']
	const { success, stdout } = Bun.spawnSync(command, { cwd: ROOT })
	if (!success) throw new Error('--release: expected a clone of the repository with git')
	return stdout.toString().trim()
}

/** Compiles the kernels, where their sources have changed, and returns the library's path. */
async function buildLibrary(target: KernelTarget | undefined): Promise<string> {
	const directory = target === undefined ? DIST : join(DIST, target)
	const outPath = join(directory, libraryName(platformOf(target ?? hostTarget())))
	await compileKernels({ outPath, target: target ?? hostTarget() })
	return outPath
}

/** Throws for a target that Bun may know, but that would get no kernels. */
function parseTarget(name: string | undefined): KernelTarget | undefined {
	if (name === undefined) return undefined
	const target = findTarget(name)
	if (target !== undefined) return target
	throw new Error(
		`--target: expected one of ${kernelTargets.join(', ')}, got "${name}", for which there are no kernels`,
	)
}

async function main(): Promise<void> {
	const { values } = parseArgs({
		options: {
			'if-changed': { type: 'boolean', default: false },
			library: { type: 'boolean', default: false },
			release: { type: 'boolean', default: false },
			target: { type: 'string' },
		},
	})
	const target = parseTarget(values.target)
	if (values.library) await buildLibrary(target)
	else await buildExecutable({ target, ifChanged: values['if-changed'], isRelease: values.release })
}

try {
	await main()
} catch (error) {
	// Compiler messages and "install this" sentences need no stack of this script around them.
	console.error(error instanceof Error ? error.message : error)
	process.exit(1)
}
