/**
 * C to one shared library: the plain sources once, kernels_isa.c once per instruction set. Used by
 * build.ts and by the test preload; never part of the executable.
 */
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type Architecture, hostTarget, type KernelTarget, toolchainOf } from './targets.ts'

export interface CompileOptions {
	/** Where the library goes; replaced atomically. `<outPath>.key` beside it tells when to skip. */
	readonly outPath: string
	/** Default: the machine that runs this. Another one needs its Debian cross compiler. */
	readonly target?: KernelTarget
	/** Added to every command, for instance `-fsanitize=thread`. */
	readonly extraFlags?: readonly string[]
}

const sourceDirectory = import.meta.dir

/** Flags of every C file. */
export const kernelFlags = [
	'-std=c11',
	'-D_GNU_SOURCE',
	'-O3',
	'-Wall',
	'-Wextra',
	'-Werror',
	'-Wshadow',
	'-Wvla',
	'-fvisibility=hidden',
	'-ffp-contract=off',
	'-fno-math-errno',
	'-pthread',
]

const avx512Flags = [
	'-mavx512f',
	'-mavx512bw',
	'-mavx512vl',
	'-mavx512dq',
	'-mavx512vnni',
	'-mavx2',
	'-mfma',
	'-mprefer-vector-width=512',
]

/** Per processor its instruction sets. Flags one by one, not -march: compilers of 2022 do not know every processor's name. */
export const isaFlags: Readonly<Record<Architecture, Readonly<Record<string, readonly string[]>>>> =
	{
		x64: {
			scalar: [],
			avx2: ['-mavx2', '-mfma'],
			avx_vnni: ['-mavx2', '-mfma', '-mavxvnni'],
			avx512: avx512Flags,
			amx: [...avx512Flags, '-mamx-tile', '-mamx-int8'],
		},
		arm64: {
			scalar: [],
			neon: ['-march=armv8-a'],
			neon_dotprod: ['-march=armv8.2-a+dotprod'],
		},
	}

/** Sets that are others with more instructions: the header they share. */
const sharedHeaders: Readonly<Record<string, string>> = { avx_vnni: 'avx2', neon_dotprod: 'neon' }

/** Left out where the compiler does not know them yet: gcc before 11, clang before 12. */
export const youngIsas: readonly string[] = ['avx_vnni', 'amx']

/** Tells dispatch.c that a set is compiled. */
export const hasFlag = (isa: string): string => `-DHAS_${isa.toUpperCase()}`

/** Compiled once; kernels_isa.c once per instruction set. */
export const plainSources = [
	'dispatch.c',
	'threads.c',
	'memory.c',
	'system.c',
	'json_floats.c',
	'ggml_blocks.c',
]

/** The command line per object file and the one that links them. */
interface CompilePlan {
	readonly objects: readonly { readonly name: string; readonly args: readonly string[] }[]
	readonly linkArgs: readonly string[]
}

/**
 * Compiles the kernels to `outPath` unless sources, flags and compiler are those of the library that
 * is already there. Returns whether it compiled. Throws with one sentence when there is no compiler
 * and with the compiler's own words when it refuses the code.
 */
export async function compileKernels(options: CompileOptions): Promise<boolean> {
	const target = options.target ?? hostTarget()
	const compiler = compilerFor(target)
	const plan = planFor(target, compiler, options.extraFlags ?? [])
	const key = keyOf(compiler, plan)
	const keyPath = `${options.outPath}.key`
	if (existsSync(options.outPath) && existsSync(keyPath) && readFileSync(keyPath, 'utf8') === key) {
		return false
	}
	mkdirSync(dirname(options.outPath), { recursive: true })
	const workDirectory = mkdtempSync(join(dirname(options.outPath), '.kernels-'))
	try {
		await Promise.all(
			plan.objects.map(({ name, args }) =>
				runCompiler([compiler, ...args, '-c', '-o', join(workDirectory, name)]),
			),
		)
		const objects = plan.objects.map(({ name }) => join(workDirectory, name))
		const library = join(workDirectory, basename(options.outPath))
		await runCompiler([compiler, '-o', library, ...objects, ...plan.linkArgs])
		// Renamed, never overwritten: a process may have the old one mapped.
		renameSync(library, options.outPath)
		writeFileSync(keyPath, key)
	} finally {
		rmSync(workDirectory, { recursive: true, force: true })
	}
	return true
}

/** The compiler's command. Throws, with what to install, where there is none. */
export function compilerFor(target: KernelTarget): string {
	const { compiler, packages } = toolchainOf(target)
	if (Bun.which(compiler) !== null) return compiler
	throw new Error(
		`The kernels need a C compiler, but "${compiler}" was not found: install gcc or clang (Debian and Ubuntu: apt install ${packages}; Fedora: dnf install gcc).`,
	)
}

function planFor(
	target: KernelTarget,
	compiler: string,
	extraFlags: readonly string[],
): CompilePlan {
	const { architecture, compileFlags, linkFlags } = toolchainOf(target)
	const isas = Object.entries(isaFlags[architecture]).filter(
		([isa, isaFlags]) =>
			!youngIsas.includes(isa) || accepts(compiler, [...compileFlags, ...isaFlags]),
	)
	const has = isas.map(([isa]) => hasFlag(isa))
	const flags = [...kernelFlags, ...compileFlags, ...extraFlags]
	return {
		objects: [
			...plainSources.map((source) => ({
				name: source.replace(/\.c$/, '.o'),
				args: [...flags, ...has, join(sourceDirectory, source)],
			})),
			...isas.map(([isa, isaFlags]) => ({
				name: `isa_${isa}.o`,
				args: [
					...flags,
					...isaFlags,
					`-DISA=${isa}`,
					`-DISA_HEADER="../isa/${sharedHeaders[isa] ?? isa}.h"`,
					join(sourceDirectory, 'kernels_isa.c'),
				],
			})),
		],
		linkArgs: [...extraFlags, ...linkFlags, '-pthread'],
	}
}

function accepts(compiler: string, flags: readonly string[]): boolean {
	const command = [compiler, ...flags, '-fsyntax-only', '-x', 'c', '/dev/null']
	return Bun.spawnSync(command, { stdout: 'ignore', stderr: 'ignore' }).exitCode === 0
}

/** Everything that decides what comes out. */
function keyOf(compiler: string, plan: CompilePlan): string {
	const hasher = new Bun.CryptoHasher('sha256')
	hasher.update(JSON.stringify(plan))
	hasher.update(Bun.spawnSync([compiler, '--version']).stdout)
	const files = readdirSync(sourceDirectory, { recursive: true, encoding: 'utf8' })
	for (const file of files.filter((name) => /\.[ch]$/.test(name)).sort()) {
		hasher.update(file)
		hasher.update(readFileSync(join(sourceDirectory, file)))
	}
	return hasher.digest('hex')
}

/** Runs a compiler; throws what it said when it fails. */
export async function runCompiler(command: readonly string[]): Promise<void> {
	const child = Bun.spawn([...command], { stdout: 'ignore', stderr: 'pipe' })
	const [status, text] = await Promise.all([child.exited, new Response(child.stderr).text()])
	if (status !== 0) throw new Error(`the C compiler failed: ${command.join(' ')}\n${text}`)
}
