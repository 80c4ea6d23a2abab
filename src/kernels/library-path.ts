/**
 * A path under which the system opens the kernel library that the executable carries. Inside the
 * executable it is only bytes: they go into an anonymous memory file, which needs no disk at all;
 * where the system refuses that, Bun unpacks them into its temporary directory; where that is
 * read-only or mounted noexec, into the first directory that is neither.
 *
 * Nothing stays behind: our copies are unlinked at once and live on as an open descriptor, whose
 * `/proc/self/fd` path every thread of this process can open.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { messageOf } from '../lib/errors.ts'

/** How to look for a path; everything that touches the system can be replaced in tests. */
export interface LibrarySearch {
	/** The library inside the executable. */
	readonly library: string
	/** Opens a library, as dlopen does; throws when the system refuses. */
	readonly open: (path: string) => void
	/** Descriptor of a new anonymous memory file; throws where there is none. */
	readonly createMemoryFile: () => number
	/** Directories to try, in this order. */
	readonly directories: readonly string[]
}

/** What the library is called on a system, which Node's names stand for. */
export function libraryName(platform: string): string {
	if (platform === 'darwin') return 'libkernels.dylib'
	return platform === 'win32' ? 'libkernels.dll' : 'libkernels.so'
}

/** No candidate could be opened; the message lists them and says what to do. */
export class LibraryUnavailableError extends Error {
	override readonly name = 'LibraryUnavailableError'
}

/** Directories that may hold a copy of the library, best first, each once. */
export function libraryDirectories(options: {
	readonly env: Readonly<Record<string, string | undefined>>
	readonly executable: string
	readonly checkpoints: string
}): string[] {
	const { env, executable, checkpoints } = options
	const candidates = [
		env['BUN_TMPDIR'],
		env['TMPDIR'],
		'/tmp',
		env['XDG_RUNTIME_DIR'],
		'/dev/shm',
		'/var/tmp',
		dirname(executable),
		checkpoints,
	]
	return [...new Set(candidates.filter((path) => path !== undefined && path !== ''))] as string[]
}

/** Finds a path that `search.open` accepts and opens it. Throws LibraryUnavailableError. */
export function locateLibrary(search: LibrarySearch): string {
	const { library, open } = search
	const bytes = readFileSync(library)
	const candidates: (readonly [place: string, provide: () => string])[] = [
		['memory', () => copyToMemory(bytes, search.createMemoryFile)],
		["Bun's temporary directory", () => library],
		...search.directories.map((path) => [path, () => copyToDirectory(bytes, path)] as const),
	]
	const refusals: string[] = []
	for (const [place, provide] of candidates) {
		let path: string | undefined
		try {
			path = provide()
			open(path)
			return path
		} catch (error) {
			if (path !== undefined) closeCopy(path)
			refusals.push(`  ${place}: ${messageOf(error)}`)
		}
	}
	throw new LibraryUnavailableError(
		[
			'cannot open the kernel library: no place was found from which code can be loaded.',
			...refusals,
			refusals.some((refusal) => /GLIBC_|symbol not found/.test(refusal))
				? "This system's C library lacks what the kernels need: take a build for this system."
				: 'Set TMPDIR to a directory that this user can write to and that is not mounted noexec.',
		].join('\n'),
	)
}

function copyToMemory(bytes: Uint8Array, createMemoryFile: () => number): string {
	const fd = createMemoryFile()
	writeFileSync(fd, bytes)
	return `/proc/self/fd/${fd}`
}

function copyToDirectory(bytes: Uint8Array, directory: string): string {
	const path = join(directory, `.alpha-${randomUUID()}.so`)
	// `wx`: in a directory that others can write to, never follow what they put there.
	writeFileSync(path, bytes, { flag: 'wx', mode: 0o500 })
	try {
		return `/proc/self/fd/${openSync(path, 'r')}`
	} finally {
		unlinkSync(path)
	}
}

function closeCopy(path: string): void {
	const fd = path.match(/^\/proc\/self\/fd\/(\d+)$/)?.[1]
	if (fd !== undefined) closeSync(Number(fd))
}
