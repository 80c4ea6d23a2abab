/*
 * Loads one checkpoint, given as `LIBRARY PATH`, in a process of its own, so that the peak of its
 * resident memory is of this load alone. Prints a `LoadResult`.
 */
import { readFileSync } from 'node:fs'
import { openFileSource } from '../../src/checkpoint/formats/byte-source.ts'
import { openCheckpoint } from '../../src/checkpoint/formats/open.ts'
import { loadCheckpoint } from '../../src/checkpoint/load/worker/load.ts'
import { openKernels } from '../../src/kernels/binding.ts'

export interface LoadResult {
	readonly seconds: number
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
const baseBytes = residentBytes('VmRSS')
const start = performance.now()
using source = openFileSource(path)
const model = loadCheckpoint(
	kernels,
	openCheckpoint(source),
	'f32',
	(bytes) => new SharedArrayBuffer(bytes),
)
const seconds = (performance.now() - start) / 1000
const result: LoadResult = {
	seconds,
	bytes: source.size,
	weightBytes: model.parameterCount * 4,
	baseBytes,
	peakBytes: residentBytes('VmHWM'),
}
console.log(JSON.stringify(result))
