/**
 * Where the files that travel with the program are. The executable carries them beside its bundle,
 * a checkout has them in its directories. Workers cannot find them by themselves (each has a bundle
 * of its own): pass them these paths.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { checkpointName, parseRunConfig } from '../checkpoint/store/run-directory.ts'
import { lastLossOf, thinMetrics } from '../checkpoint/store/training-log.ts'
import { createMemoryFile, openKernels } from '../kernels/binding.ts'
import { libraryDirectories, locateLibrary } from '../kernels/library-path.ts'
import type { EmbeddedModel } from '../models/registry.ts'

const isExecutable = import.meta.dir.startsWith('/$bunfs/')
const checkout = join(import.meta.dir, '../..')

const embeddedName = 'novels-austen'
const embeddedStep = 5600

/** The run directory of the embedded model; its files have no descriptor, only `Bun.file` reads them. */
export const embeddedModelDirectory = isExecutable
	? join(import.meta.dir, embeddedName)
	: join(checkout, 'checkpoints', embeddedName)

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

/** The embedded model; its checkpoint is read when it is first asked for. */
export async function openEmbeddedModel(): Promise<EmbeddedModel> {
	const file = (name: string) => Bun.file(join(embeddedModelDirectory, name))
	const config = parseRunConfig(await file('config.json').text())
	if (typeof config === 'string') throw new Error(`embedded model: ${config}`)
	const metrics = await file('metrics.jsonl').text()
	const checkpoint = file(checkpointName(embeddedStep))
	return {
		name: embeddedName,
		step: embeddedStep,
		// Files inside the executable have no time of their own.
		mtimeMs: isExecutable ? statSync(process.execPath).mtimeMs : checkpoint.lastModified,
		config,
		lastLoss: lastLossOf(metrics),
		checkpointBytes: checkpoint.size,
		async readCheckpoint() {
			const shared = new Uint8Array(new SharedArrayBuffer(checkpoint.size))
			shared.set(await checkpoint.bytes())
			return shared
		},
		readMetrics: (pointsMax) => thinMetrics(metrics.split('\n'), pointsMax),
	}
}
