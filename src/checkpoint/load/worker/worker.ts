/*
 * The loader's thread: reads, verifies and packs checkpoints, so that a large or hostile file never
 * holds up sockets or tokens. One request at a time; every failure is an answer, never a crash.
 */
import { type Kernels, openKernels } from '../../../kernels/binding.ts'
import { assert, assertNever } from '../../../lib/assert.ts'
import { memorySource, openFileSource } from '../../formats/byte-source.ts'
import { CheckpointError } from '../../formats/checkpoint-error.ts'
import type { FromLoader, LoadFailure, LoadRequest, ToLoader } from '../messages.ts'
import { inspectCheckpoint, loadCheckpoint, verifyCheckpoint } from './load.ts'

declare const self: {
	onmessage: ((event: MessageEvent<ToLoader>) => void) | null
	postMessage(message: FromLoader): void
}

let kernels: Kernels | null = null

self.onmessage = ({ data: message }) => {
	switch (message.type) {
		case 'start':
			kernels = openKernels(message.libraryPath)
			kernels.select(message.isa)
			return
		case 'request':
			self.postMessage(answer(message.requestId, message.request))
			return
		default:
			assertNever(message)
	}
}

function answer(requestId: number, request: LoadRequest): FromLoader {
	try {
		assert(kernels, 'the loader has started')
		const { location, dtype } = request
		using source =
			location.type === 'file' ? openFileSource(location.path) : memorySource(location.bytes)
		switch (request.type) {
			case 'inspect':
				return { type: 'inspected', requestId, info: inspectCheckpoint(kernels, source, dtype) }
			case 'verify':
				return { type: 'inspected', requestId, info: verifyCheckpoint(kernels, source, dtype) }
			case 'load':
				return {
					type: 'loaded',
					requestId,
					model: loadCheckpoint(kernels, source, dtype, allocate),
				}
			default:
				return assertNever(request.type)
		}
	} catch (error) {
		return { type: 'failed', requestId, failure: toFailure(error) }
	}
}

class OutOfMemoryError extends Error {
	override readonly name = 'OutOfMemoryError'
}

function allocate(bytes: number): SharedArrayBuffer {
	try {
		return new SharedArrayBuffer(bytes)
	} catch {
		throw new OutOfMemoryError(`expected ${bytes} free bytes for its weights, found less`)
	}
}

function toFailure(error: unknown): LoadFailure {
	if (error instanceof CheckpointError) return { fault: error.fault, message: error.message }
	if (error instanceof OutOfMemoryError) return { fault: 'memory', message: error.message }
	return {
		fault: 'bug',
		message: error instanceof Error ? (error.stack ?? error.message) : String(error),
	}
}
