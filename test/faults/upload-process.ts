/*
 * The process that faults are injected into: an upload door and a loader without HTTP, told what to do
 * by lines on its input. `bun upload-process.ts DIRECTORY`, then `upload N` or `load`; it answers
 * `done N`, or `failed STATUS CODE`.
 */
import { locationOf } from '../../src/checkpoint/store/checkpoint-version.ts'
import { openStore } from '../../src/checkpoint/store/store.ts'
import { toApiError } from '../../src/server/error-handler.ts'
import { recoverInterruptedUploads, UploadReceiver } from '../../src/upload/upload.ts'
import { verifyHere } from '../upload/upload-fixture.ts'
import { uploadRequests, type Version } from './versions.ts'

const [directory = ''] = process.argv.slice(2)
const log = () => {}
// No timer of ours: which call is the n-th must not depend on how long something took.
await recoverInterruptedUploads(directory, log)
const store = await openStore({ directory, log, rescanMs: 2 ** 30 })
const limits = { bytesMax: 2 ** 30, inflatedBytesMax: 2 ** 30 }
const receiver = new UploadReceiver({ store, verify: verifyHere, log, ...limits })

async function obey(line: string): Promise<string> {
	const [command, argument] = line.split(' ')
	try {
		if (command === 'upload') {
			const version: Version = Number(argument)
			const { signal } = new AbortController()
			for (const { door, ...request } of uploadRequests(version)) {
				await receiver[door]({ ...request, signal })
			}
			return `done ${version}`
		}
		await store.rescan()
		const version = store.checkpoint('run')
		if (version === undefined) return 'failed 404 not_listed'
		await verifyHere(locationOf(version))
		return 'done 0'
	} catch (error) {
		const { status, code } = toApiError(error)
		return `failed ${status} ${code}`
	}
}

console.log('ready')
for await (const line of console) console.log(await obey(line))
store.close()
