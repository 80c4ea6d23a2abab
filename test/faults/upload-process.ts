/*
 * The process that faults are injected into: an upload door and a loader without HTTP, told what to do
 * by lines on its input. `bun upload-process.ts DIRECTORY`, then `upload N` or `load`; it answers
 * `done N`, or `failed STATUS CODE`.
 */
import { openFileSource } from '../../src/checkpoint/formats/byte-source.ts'
import { openCheckpoint } from '../../src/checkpoint/formats/open.ts'
import { verifyCheckpoint } from '../../src/checkpoint/load/worker/load.ts'
import { openStore } from '../../src/checkpoint/store/store.ts'
import { openKernels } from '../../src/kernels/binding.ts'
import { toApiError } from '../../src/server/error-handler.ts'
import { recoverInterruptedUploads, UploadReceiver } from '../../src/upload/upload.ts'
import { libraryPath } from '../helpers/test-engine.ts'
import { upload, type Version } from './versions.ts'

const [directory = ''] = process.argv.slice(2)
const kernels = openKernels(libraryPath)
kernels.select('')

async function verify(path: string) {
	using source = openFileSource(path)
	return verifyCheckpoint(kernels, openCheckpoint(source), 'f32')
}

const log = () => {}
// No timer of ours: which call is the n-th must not depend on how long something took.
await recoverInterruptedUploads(directory, log)
const store = await openStore({ directory, log, rescanMs: 2 ** 30 })
const limits = { bytesMax: 2 ** 30, inflatedBytesMax: 2 ** 30 }
const receiver = new UploadReceiver({ store, verify, log, ...limits })

async function obey(line: string): Promise<string> {
	const [command, argument] = line.split(' ')
	try {
		if (command === 'upload') {
			const version: Version = Number(argument)
			await receiver.receive({ ...upload(version), signal: new AbortController().signal })
			return `done ${version}`
		}
		await store.rescan()
		const version = store.checkpoint('run')
		if (version === undefined) return 'failed 404 not_listed'
		await verify(version.path)
		return 'done 0'
	} catch (error) {
		const { status, code } = toApiError(error)
		return `failed ${status} ${code}`
	}
}

console.log('ready')
for await (const line of console) console.log(await obey(line))
store.close()
