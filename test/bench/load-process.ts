/*
 * Loads one checkpoint, a file or a directory, given as `LIBRARY PATH`, in a process of its own, so that
 * the peak of its resident memory is of this load alone. Prints a `LoadResult`.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { openFileSource } from '../../src/checkpoint/formats/byte-source.ts'
import { ModelDirectory } from '../../src/checkpoint/formats/model-directory.ts'
import { openCheckpoint, openDirectory } from '../../src/checkpoint/formats/open.ts'
import type { CheckpointFile } from '../../src/checkpoint/formats/types.ts'
import { loadCheckpoint } from '../../src/checkpoint/load/worker/load.ts'
import { openKernels } from '../../src/kernels/binding.ts'

export interface LoadResult {
	readonly seconds: number
	/** Of the weights' file. */
	readonly bytes: number
	readonly weightBytes: number
	/** Resident memory before, and its peak until the end. */
	readonly baseBytes: number
	readonly peakBytes: number
}

/** A field of /proc/self/status in bytes. ru_maxrss would count the parent's memory too. */
function residentBytes(field: 'VmRSS' | 'VmHWM'): number {
	const status = readFileSync('/proc/self/status', 'utf8')
	return Number(new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(status)?.[1]) * 1024
}

const [libraryPath = '', path = ''] = process.argv.slice(2)
const kernels = openKernels(libraryPath)
kernels.select('')
const files = statSync(path).isDirectory() ? readdirSync(path) : []
const sizes =
	files.length === 0 ? [statSync(path).size] : files.map((name) => statSync(join(path, name)).size)
const baseBytes = residentBytes('VmRSS')
const start = performance.now()
using held = new DisposableStack()

function openPath(): CheckpointFile {
	if (files.length === 0) return openCheckpoint(held.use(openFileSource(path)))
	const directory = new ModelDirectory(
		path,
		files.map((name) => ({ name })),
	)
	return openDirectory(held.use(directory))
}

const model = loadCheckpoint(kernels, openPath(), 'f32', (bytes) => new SharedArrayBuffer(bytes))
const seconds = (performance.now() - start) / 1000
const result: LoadResult = {
	seconds,
	bytes: Math.max(...sizes),
	weightBytes: model.arena.byteLength,
	baseBytes,
	peakBytes: residentBytes('VmHWM'),
}
console.log(JSON.stringify(result))
