/**
 * Where the files that travel with the program are. The executable carries them beside its bundle,
 * a checkout has them in its directories. Workers cannot find them by themselves (each has a bundle
 * of its own): pass them these paths.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { CONFIG_NAME, checkpointName, TRAINING_LOG_NAME } from '../checkpoint/store/names.ts'
import { parseRunConfig } from '../checkpoint/store/run-config.ts'
import { createMemoryFile, openKernels } from '../kernels/binding.ts'
import { libraryDirectories, libraryName, locateLibrary } from '../kernels/library-path.ts'
import type { BuiltinFiles } from '../models/builtin.ts'
import type { CheckpointFacts } from '../models/source.ts'

/** Bun shows what an executable carries under one of these roots, the second on Windows. */
const isExecutable = /^(\/\$bunfs\/|B:[\\/]~BUN[\\/])/.test(import.meta.dir)
const checkout = join(import.meta.dir, '../..')

const builtinId = 'novels-austen'
const BUILTIN_STEP = 5600
const BUILTIN_FACTS: CheckpointFacts = {
	form: 'binary',
	config: { family: 'alpha' },
	parameterCount: 3_476_352,
	tokenizer: {
		type: 'bpe',
		vocabSize: 2000,
		mergeCount: 1921,
		hasChatTemplate: false,
		specialTokens: [],
	},
}

/** The run directory of the built-in model; its files have no descriptor, only `Bun.file` reads them. */
const builtinDirectory = isExecutable
	? join(import.meta.dir, builtinId)
	: join(checkout, 'checkpoints', builtinId)

/**
 * A path of the kernel library that every thread of this process can open. Opens it once, on this
 * thread, as must happen before workers do. Throws LibraryUnavailableError.
 */
export function kernelLibraryPath(options: {
	readonly env: Readonly<Record<string, string | undefined>>
	readonly checkpoints: string
}): string {
	if (!isExecutable) {
		const path = join(checkout, 'dist', libraryName(process.platform))
		openKernels(path)
		return path
	}
	const { platform } = process
	return locateLibrary({
		library: join(import.meta.dir, libraryName(platform)),
		open: openKernels,
		createMemoryFile,
		hasDescriptorPaths: platform === 'linux',
		directories: libraryDirectories({ ...options, executable: process.execPath, platform }),
	})
}

/** The built-in model; its checkpoint is read when it is first asked for. */
export async function openBuiltinModel(): Promise<BuiltinFiles> {
	const file = (name: string) => Bun.file(join(builtinDirectory, name))
	const config = parseRunConfig(await file(CONFIG_NAME).text())
	if (typeof config === 'string') throw new Error(`built-in model: ${config}`)
	const checkpoint = file(checkpointName(BUILTIN_STEP))
	return {
		id: builtinId,
		trainingStep: BUILTIN_STEP,
		// Files inside the executable have no time of their own.
		mtimeMs: isExecutable ? statSync(process.execPath).mtimeMs : checkpoint.lastModified,
		config,
		trainingLog: await file(TRAINING_LOG_NAME).text(),
		checkpointBytes: checkpoint.size,
		facts: BUILTIN_FACTS,
		async readCheckpoint() {
			const shared = new Uint8Array(new SharedArrayBuffer(checkpoint.size))
			shared.set(await checkpoint.bytes())
			return shared
		},
	}
}
