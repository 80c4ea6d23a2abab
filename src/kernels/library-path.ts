/**
 * A path under which the system opens the kernel library that the executable carries. Inside the
 * executable it is only bytes: they go into an anonymous memory file, which needs no disk at all;
 * where the system refuses that, Bun unpacks them into its temporary directory; where that is
 * read-only or mounted noexec, into the first directory that is neither.
 *
 * On Linux nothing stays behind: our copies are unlinked at once and live on as an open descriptor, whose
 * `/proc/self/fd` path every thread of this process can open. macOS and Windows have no such paths: there
 * one copy of each version stays, which all processes share.
 */
import { createHash, randomUUID } from 'node:crypto'
import {
	closeSync,
	openSync,
	readFileSync,
	renameSync,
	rmSync,
	unlinkSync,
	writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { messageOf } from '../lib/errors.ts'

/** How to look for a path; everything that touches the system can be replaced in tests. */
export interface LibrarySearch {
	/** The library inside the executable. */
	readonly library: string
	/** Opens a library, as dlopen does; throws when the system refuses. */
	readonly open: (path: string) => void
	/** Descriptor of a new anonymous memory file; throws where there is none. */
	readonly createMemoryFile: () => number
	/** Whether an open descriptor has a path, as on Linux. */
	readonly hasDescriptorPaths: boolean
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
	/** As Node names it. */
	readonly platform: string
}): string[] {
	const { env, executable, checkpoints, platform } = options
	const candidates = [
		env['BUN_TMPDIR'],
		env['TMPDIR'],
		...(platform === 'linux'
			? ['/tmp', env['XDG_RUNTIME_DIR'], '/dev/shm', '/var/tmp']
			: // Of this user alone, on both macOS and Windows.
				[tmpdir()]),
		dirname(executable),
		checkpoints,
	]
	return [...new Set(candidates.filter((path) => path !== undefined && path !== ''))] as string[]
}

/** Finds a path that `search.open` accepts and opens it. Throws LibraryUnavailableError. */
export function locateLibrary(search: LibrarySearch): string {
	const { library, open, hasDescriptorPaths } = search
	const bytes = readFileSync(library)
	const copyTo = (path: string) =>
		hasDescriptorPaths ? copyToDescriptor(bytes, path) : keepCopy(bytes, path, basename(library))
	const candidates: (readonly [place: string, provide: () => string])[] = [
		['memory', () => copyToMemory(bytes, search.createMemoryFile)],
		["Bun's temporary directory", () => library],
		...search.directories.map((path) => [path, () => copyTo(path)] as const),
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

function copyToDescriptor(bytes: Uint8Array, directory: string): string {
	const path = join(directory, `.alpha-${randomUUID()}.so`)
	// `wx`: in a directory that others can write to, never follow what they put there.
	writeFileSync(path, bytes, { flag: 'wx', mode: 0o500 })
	try {
		return `/proc/self/fd/${openSync(path, 'r')}`
	} finally {
		unlinkSync(path)
	}
}

/** A copy under a name that its contents decide. Whatever else has that name is replaced, links included. */
function keepCopy(bytes: Uint8Array, directory: string, name: string): string {
	const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
	const path = join(directory, `alpha-${digest}-${name}`)
	if (holds(path, bytes)) return path
	const draft = join(directory, `.alpha-${randomUUID()}`)
	try {
		writeFileSync(draft, bytes, { flag: 'wx', mode: 0o500 })
		renameSync(draft, path)
	} catch (error) {
		rmSync(draft, { force: true })
		// Windows replaces no library that is in use: another process has been here meanwhile.
		if (!holds(path, bytes)) throw error
	}
	return path
}

function holds(path: string, bytes: Uint8Array): boolean {
	try {
		return readFileSync(path).equals(bytes)
	} catch {
		return false
	}
}

function closeCopy(path: string): void {
	const fd = path.match(/^\/proc\/self\/fd\/(\d+)$/)?.[1]
	if (fd !== undefined) closeSync(Number(fd))
}
