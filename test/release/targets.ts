/**
 * Builds every target, looks at what came out, and lets those continue a prompt that can run here: as
 * this machine does it. Some minutes: `bun test/release/targets.ts [TARGET…]`, as root on Debian 12 with
 * gcc-aarch64-linux-gnu, musl-dev (also :arm64), clang-14, lld-14, llvm-14, gcc-mingw-w64-x86-64, qemu-user, wine.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand as run } from '../../deploy/release/command.ts'
import { kernelSymbols } from '../../src/kernels/binding.ts'
import { libraryName } from '../../src/kernels/library-path.ts'
import {
	architectureOf,
	findTarget,
	type KernelTarget,
	kernelTargets,
	platformOf,
} from '../../src/kernels/targets.ts'
import { executablePath } from '../helpers/alpha-server.ts'
import { exportsOf, formatOf, neededBy } from './binary-format.ts'
import { makeMuslSystem } from './musl-system.ts'
import { askUnderWine, makeWineSystem, serveUnderWine } from './wine.ts'

const root = join(import.meta.dir, '../..')
const ASK = 'generate novels-austen She --max-tokens=30 --temperature=0 --threads=2'.split(' ')

/** What a system of that kind has, from which the kernels may need something. */
const SYSTEM_LIBRARIES: Readonly<Record<string, RegExp>> = {
	linux: /^(libc|libm|libpthread|ld-linux-[\w-]+)\.so(\.\d+)?$/,
	// A library names itself, too.
	darwin: /^(\/usr\/lib\/libSystem\.B\.dylib|@rpath\/libkernels\.dylib)$/,
	win32: /^(KERNEL32|msvcrt)\.dll$/i,
}

const FORMATS: Readonly<Record<string, string>> = { linux: 'ELF', darwin: 'Mach-O', win32: 'PE' }

const directory = mkdtempSync(join(tmpdir(), 'alpha-targets-'))

/** Continues the prompt with a target's executable; null where this machine cannot. */
async function continuation(target: KernelTarget, executable: string): Promise<string | null> {
	switch (target) {
		case 'linux-x64':
			return run([executable, ...ASK])
		case 'linux-x64-baseline':
			// A processor of 2008, without AVX.
			return run(['qemu-x86_64', '-cpu', 'Nehalem', executable, ...ASK])
		case 'linux-arm64':
			return run(['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu', executable, ...ASK])
		case 'linux-x64-musl': {
			const system = join(directory, target)
			await makeMuslSystem(system, 'x64')
			cpSync(executable, join(system, 'alpha'))
			const enter =
				'mkdir -p "$0/proc" && mount -t proc proc "$0/proc" && exec chroot "$0" /alpha "$@"'
			return run(['unshare', '-m', 'sh', '-c', enter, system, ...ASK])
		}
		case 'linux-arm64-musl': {
			const system = join(directory, target)
			await makeMuslSystem(system, 'arm64')
			const libraries = ['-L', system, '-E', `LD_LIBRARY_PATH=${join(system, 'lib')}`]
			return run(['qemu-aarch64', ...libraries, executable, ...ASK])
		}
		case 'windows-x64': {
			if (Bun.which('wine') === null) return null
			const system = await makeWineSystem(join(directory, target), executable)
			const text = await askUnderWine(system, ASK)
			await serveUnderWine(system)
			return text
		}
		default:
			return null
	}
}

/** What is wrong with a target's library or executable, in words. */
function complaints(target: KernelTarget, executable: string, library: string): string[] {
	const platform = platformOf(target)
	const found: string[] = []
	for (const path of [executable, library]) {
		const { format, architecture } = formatOf(path)
		if (format !== FORMATS[platform] || architecture !== architectureOf(target)) {
			found.push(`${path} is ${format} for ${architecture}`)
		}
	}
	const exported = new Set(exportsOf(library, formatOf(library)))
	const missing = Object.keys(kernelSymbols).filter((name) => !exported.has(`kernels_${name}`))
	if (missing.length > 0) found.push(`the library lacks ${missing.join(', ')}`)
	const foreign = neededBy(library).filter((name) => !SYSTEM_LIBRARIES[platform]?.test(name))
	if (foreign.length > 0) found.push(`the library needs ${foreign.join(', ')}`)
	return found
}

let failures = 0
const asked = process.argv.slice(2).map((name) => findTarget(name) ?? process.exit(64))
const expected = await run([executablePath, ...ASK])
try {
	for (const target of asked.length === 0 ? kernelTargets : asked) {
		await run([process.execPath, 'build.ts', '--target', target, '--if-changed'], { cwd: root })
		const platform = platformOf(target)
		const executable = join(root, `dist/alpha-${target}${platform === 'win32' ? '.exe' : ''}`)
		const library = join(root, 'dist', target, libraryName(platform))
		const found = complaints(target, executable, library)
		const text = await continuation(target, executable).catch(String)
		if (text !== null && text !== expected) found.push(`it wrote ${JSON.stringify(text)}`)
		const seen = text === null ? 'built, not run' : 'continues the prompt as here'
		const { format, architecture } = formatOf(executable)
		console.log(
			found.length === 0
				? `(pass) ${target}: ${format} for ${architecture}, ${seen}`
				: `(fail) ${target}: ${found.join('; ')}`,
		)
		if (found.length > 0) failures++
	}
} finally {
	rmSync(directory, { recursive: true, force: true })
}
process.exit(failures === 0 ? 0 : 1)
