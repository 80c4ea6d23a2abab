/**
 * Where the files that travel with the program are. The executable carries them beside its bundle,
 * a checkout has them in its directories. Workers cannot find them by themselves (each has a bundle
 * of its own): pass them these paths.
 */
import { join } from 'node:path'
import { createMemoryFile, openKernels } from '../kernels/binding.ts'
import { libraryDirectories, locateLibrary } from '../kernels/library-path.ts'

const isExecutable = import.meta.dir.startsWith('/$bunfs/')
const checkout = join(import.meta.dir, '../..')

/** The run directory of the embedded model; read its files with `Bun.file`, they have no descriptor. */
export const embeddedModelDirectory = isExecutable
	? join(import.meta.dir, 'novels-austen')
	: join(checkout, 'checkpoints/novels-austen')

/**
 * A path of the kernel library that every thread of this process can open. Opens it once, on this
 * thread, as must happen before workers do. Throws LibraryUnavailableError.
 */
export function kernelLibraryPath(options: {
	readonly env: Readonly<Record<string, string | undefined>>
	readonly checkpoints: string
}): string {
	if (!isExecutable) {
		const path = join(checkout, 'dist/libkernels.so')
		openKernels(path)
		return path
	}
	return locateLibrary({
		library: join(import.meta.dir, 'libkernels.so'),
		open: openKernels,
		createMemoryFile,
		directories: libraryDirectories({ ...options, executable: process.execPath }),
	})
}
