/*
 * The loader's thread: reads, verifies and packs checkpoints, so that a large or hostile file never
 * holds up sockets or tokens. One request at a time; every failure is an answer, never a crash.
 */
import { type Kernels, openKernels } from '../../../kernels/binding.ts'
import { assert, assertNever } from '../../../lib/assert.ts'
import { stackOf } from '../../../lib/errors.ts'
import { Fault } from '../../../lib/fault.ts'
import { memorySource, openFileSource } from '../../formats/byte-source.ts'
import { ModelDirectory } from '../../formats/model-directory.ts'
import { openCheckpoint, openDirectory } from '../../formats/open.ts'
import type { CheckpointFile } from '../../formats/types.ts'
import type {
	CheckpointLocation,
	FromLoader,
	LoadFailure,
	LoadRequest,
	ToLoader,
} from '../messages.ts'
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
		using opened = openLocation(location)
		const { file } = opened
		switch (request.type) {
			case 'inspect':
				return { type: 'inspected', requestId, info: inspectCheckpoint(kernels, file, dtype) }
			case 'verify':
				return { type: 'inspected', requestId, info: verifyCheckpoint(kernels, file, dtype) }
			case 'load':
				return {
					type: 'loaded',
					requestId,
					model: loadCheckpoint(kernels, file, dtype, allocate),
				}
			default:
				return assertNever(request.type)
		}
	} catch (error) {
		return { type: 'failed', requestId, failure: toFailure(error) }
	}
}

/** The files stay open until the result is disposed. */
function openLocation(location: CheckpointLocation): { file: CheckpointFile } & Disposable {
	using held = new DisposableStack()
	const file = open(location, held)
	const kept = held.move()
	return { file, [Symbol.dispose]: () => kept.dispose() }
}

function open(location: CheckpointLocation, held: DisposableStack): CheckpointFile {
	switch (location.type) {
		case 'file':
			return openCheckpoint(held.use(openFileSource(location.path)))
		case 'memory':
			return openCheckpoint(held.use(memorySource(location.bytes)))
		case 'directory':
			return openDirectory(held.use(new ModelDirectory(location.path, location.names)))
		default:
			return assertNever(location)
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
