/* For which processors and systems the kernels can be built, and with which compilers. */
import { join } from 'node:path'

export type Architecture = 'x64' | 'arm64'

/** System and processor, as Bun's `--target` names them behind `bun-`. */
export const kernelTargets = [
	'linux-x64',
	'linux-x64-baseline',
	'linux-arm64',
	'linux-x64-musl',
	'linux-arm64-musl',
	'darwin-arm64',
	'darwin-x64',
	'windows-x64',
] as const

export type KernelTarget = (typeof kernelTargets)[number]

/** How C becomes a library for a target. */
export interface Toolchain {
	readonly architecture: Architecture
	readonly compiler: string
	/** Beside what all targets have in common. */
	readonly compileFlags: readonly string[]
	readonly linkFlags: readonly string[]
	/** Debian packages that bring the compiler. */
	readonly packages: string
}

/** The machine's own target. Throws on a processor for which there is no vector code. */
export function hostTarget(): KernelTarget {
	const target = kernelTargets.find(
		(name) => platformOf(name) === process.platform && architectureOf(name) === process.arch,
	)
	if (target !== undefined) return target
	throw new Error(
		`expected one of ${kernelTargets.join(', ')}, got a machine of ${process.platform} and ${process.arch}, for which there are no kernels`,
	)
}

/** The target of that name, with or without `bun-` before it; undefined when there are no kernels for it. */
export function findTarget(name: string): KernelTarget | undefined {
	const bare = name.replace(/^bun-/, '')
	return kernelTargets.find((target) => target === bare)
}

export function architectureOf(target: KernelTarget): Architecture {
	return target.includes('arm64') ? 'arm64' : 'x64'
}

/** The system as Node names it. */
export function platformOf(target: KernelTarget): string {
	const [system = ''] = target.split('-')
	return system === 'windows' ? 'win32' : system
}

/** The compiler of this machine for itself, another one for every other target. */
export function toolchainOf(target: KernelTarget): Toolchain {
	return target === hostTarget() ? nativeToolchain(target) : crossToolchain(target)
}

function nativeToolchain(target: KernelTarget): Toolchain {
	const isLinux = process.platform === 'linux'
	return {
		architecture: architectureOf(target),
		compiler: process.env['CC'] ?? 'cc',
		compileFlags: ['-fPIC'],
		linkFlags: ['-shared', '-lm', ...(isLinux ? ['-Wl,-z,defs'] : [])],
		packages: 'gcc libc6-dev',
	}
}

function crossToolchain(target: KernelTarget): Toolchain {
	const architecture = architectureOf(target)
	if (target.startsWith('darwin')) return appleToolchain(architecture)
	if (target.startsWith('windows')) return windowsToolchain(architecture)
	const triple = architecture === 'arm64' ? 'aarch64-linux' : 'x86_64-linux'
	const packages =
		architecture === 'arm64' ? 'gcc-aarch64-linux-gnu libc6-dev-arm64-cross' : 'gcc libc6-dev'
	const linkFlags = ['-shared', '-lm', '-Wl,-z,defs']
	const common = { architecture, compiler: `${triple}-gnu-gcc` }
	if (!target.endsWith('-musl')) return { ...common, compileFlags: ['-fPIC'], linkFlags, packages }
	const specs = `-specs=/usr/lib/${triple}-musl/musl-gcc.specs`
	const musl = architecture === 'arm64' ? 'musl-dev:arm64' : 'musl-dev'
	return {
		...common,
		// The helper that chooses atomics at run time asks glibc.
		compileFlags: ['-fPIC', specs, ...(architecture === 'arm64' ? ['-mno-outline-atomics'] : [])],
		linkFlags: [...linkFlags, specs],
		packages: `${packages} ${musl}`,
	}
}

/** Clang with the declarations of darwin/ in place of Apple's SDK, which may not be passed on. */
function appleToolchain(architecture: Architecture): Toolchain {
	const stubs = join(import.meta.dir, 'darwin')
	const machine = architecture === 'arm64' ? 'arm64' : 'x86_64'
	const target = `--target=${machine}-apple-macos11`
	return {
		architecture,
		compiler: 'clang-14',
		compileFlags: [target, '-fPIC', '-nostdlibinc', '-isystem', stubs],
		linkFlags: [
			...[target, '-fuse-ld=lld', '-dynamiclib', '-nostdlib', join(stubs, 'libSystem.tbd')],
			'-Wl,-install_name,@rpath/libkernels.dylib',
		],
		packages: 'clang-14 lld-14',
	}
}

/**
 * Threads come from winpthreads, linked in. Stacks there are aligned to 16 bytes only, of which this
 * compiler takes no notice when it keeps wide vectors on them: so no move asks for more.
 */
function windowsToolchain(architecture: Architecture): Toolchain {
	return {
		architecture,
		compiler: 'x86_64-w64-mingw32-gcc',
		compileFlags: ['-Wa,-muse-unaligned-vector-move'],
		linkFlags: [
			...['-shared', '-static', '-lm', '-Wl,--no-insert-timestamp'],
			// Else the linker draws it from the path of what it writes.
			'-Wl,--image-base=0x180000000',
		],
		packages: 'gcc-mingw-w64-x86-64',
	}
}
