/*
 * The loader's thread: reads, verifies and packs checkpoints, so that a large or hostile file never
 * holds up sockets or tokens. One request at a time; every failure is an answer, never a crash.
 */
import { type Kernels, openKernels } from '../../../kernels/binding.ts'
import { assert, assertNever } from '../../../lib/assert.ts'
import { stackOf } from '../../../lib/errors.ts'
import { Fault } from '../../../lib/fault.ts'
import { memorySource, openFileSource } from '../../formats/byte-source.ts'
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

function allocate(bytes: number): SharedArrayBuffer {
	try {
		return new SharedArrayBuffer(bytes)
	} catch {
		const message = `The model's weights do not fit into memory: expected ${bytes} free bytes, got less`
		throw new Fault('no-room', message)
	}
}

function toFailure(error: unknown): LoadFailure {
	if (error instanceof Fault) return { kind: error.kind, message: error.message }
	return { kind: 'bug', message: stackOf(error) }
}
