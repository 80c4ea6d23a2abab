/*
 * The loader's thread: reads, verifies and packs checkpoints, so that a large or hostile file never
 * holds up sockets or tokens. One request at a time; every failure is an answer, never a crash.
 */
import { type Kernels, openKernels } from '../../../kernels/binding.ts'
import { assert, assertNever } from '../../../lib/assert.ts'
import { toChunks } from '../../../lib/chunked-lists.ts'
import { stackOf } from '../../../lib/errors.ts'
import { Fault } from '../../../lib/fault.ts'
import { storageFault } from '../../../lib/storage-fault.ts'
import { exportCheckpoint } from '../../exports/export.ts'
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
		using opened = openLocation(request.location)
		return unchanged(opened, () => read(kernels!, opened.file, requestId, request))
	} catch (error) {
		return { type: 'failed', requestId, failure: toFailure(error) }
	}
}

function read(
	kernels: Kernels,
	file: CheckpointFile,
	requestId: number,
	request: LoadRequest,
): FromLoader {
	switch (request.type) {
		case 'inspect': {
			const info = inspectCheckpoint(kernels, file, request.dtype)
			return { type: 'inspected', requestId, info }
		}
		case 'verify': {
			const info = verifyCheckpoint(kernels, file, request.dtype)
			return { type: 'inspected', requestId, info }
		}
		case 'load': {
			const model = loadCheckpoint(kernels, file, request.dtype, allocate)
			return { type: 'loaded', requestId, model: toChunks(model) }
		}
		case 'export': {
			const unwanted = new Int32Array(request.unwanted)
			const report = exportCheckpoint(kernels, file, request.export, () => {
				if (Atomics.load(unwanted, 0) === 1) throw new Error('nobody waits for the export any more')
			})
			return { type: 'exported', requestId, report }
		}
		default:
			return assertNever(request)
	}
}

/** A checkpoint whose files stay open until it is disposed. */
interface OpenedCheckpoint extends Disposable {
	readonly file: CheckpointFile
	/** Checks that all that was read came from one state of its files. Throws CheckpointError. */
	expectUnchanged(): void
}

function openLocation(location: CheckpointLocation): OpenedCheckpoint {
	using held = new DisposableStack()
	const opened = open(location, held)
	const kept = held.move()
	return { ...opened, [Symbol.dispose]: () => kept.dispose() }
}

function open(
	location: CheckpointLocation,
	held: DisposableStack,
): Omit<OpenedCheckpoint, keyof Disposable> {
	switch (location.type) {
		case 'file': {
			const source = held.use(openFileSource(location.path, location.identity))
			const file = unchanged(source, () => openCheckpoint(source))
			return { file, expectUnchanged: () => source.expectUnchanged() }
		}
		case 'memory': {
			const source = held.use(memorySource(location.bytes))
			return { file: openCheckpoint(source), expectUnchanged: () => {} }
		}
		case 'directory': {
			const directory = held.use(new ModelDirectory(location.path, location.files))
			const file = unchanged(directory, () => openDirectory(directory))
			return { file, expectUnchanged: () => directory.expectUnchanged() }
		}
		default:
			return assertNever(location)
	}
}

/** What is found in files that change meanwhile, damage included, says nothing about them. */
function unchanged<T>(opened: Pick<OpenedCheckpoint, 'expectUnchanged'>, read: () => T): T {
	try {
		return read()
	} finally {
		opened.expectUnchanged()
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
	const fault = error instanceof Fault ? error : storageFault(error)
	if (fault !== null) return { kind: fault.kind, message: fault.message }
	return { kind: 'bug', message: stackOf(error) }
}
