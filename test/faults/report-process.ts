/*
 * The process that faults are injected into: what takes reports and uploads in pieces, without HTTP.
 * `bun report-process.ts DIRECTORY`, then `report N` or `assemble N`; it answers `done N`, or
 * `failed STATUS CODE`.
 */
import { openStore } from '../../src/checkpoint/store/store.ts'
import { TrainingRuns } from '../../src/runs/training-runs.ts'
import { toApiError } from '../../src/server/error-handler.ts'
import { recoverInterruptedUploads, UploadReceiver } from '../../src/upload/upload.ts'
import { toBinaryForm } from '../helpers/tiny-checkpoint.ts'
import { inPieces, verifyHere, versioned } from '../upload/upload-fixture.ts'
import { reportsOf } from './reports.ts'

const [directory = ''] = process.argv.slice(2)
const log = () => {}
await recoverInterruptedUploads(directory, log)
// No timer of ours: which call is the n-th must not depend on how long something took.
const store = await openStore({ directory, log, rescanMs: 2 ** 30 })
const runs = new TrainingRuns({ store, log })
await runs.ready()
const limits = { bytesMax: 2 ** 30, inflatedBytesMax: 2 ** 30 }
const receiver = new UploadReceiver({
	store,
	verify: verifyHere,
	log,
	...limits,
	commit: (name, staged, move) => runs.aroundCommit(name, staged, move),
})
const { signal } = new AbortController()

/** All that a trainer sends to upload a version: two pieces, and what puts them together. */
async function assemble(version: number): Promise<void> {
	const bytes = Bun.gzipSync(new Uint8Array(toBinaryForm(versioned(version))))
	const half = Math.ceil(bytes.length / 2)
	for (const index of [0, 1]) {
		const headers = new Headers({
			'x-upload-id': `run_${version}`,
			'x-chunk-index': String(index),
			'x-total-chunks': '2',
		})
		const piece = bytes.subarray(index * half, (index + 1) * half)
		await receiver.receivePiece({ headers, body: inPieces(piece, 256), signal })
	}
	const body = JSON.stringify({
		uploadId: `run_${version}`,
		name: 'run',
		step: 7,
		totalChunks: 2,
		config: { domain: String(version) },
		metrics: `{"loss":${version}}\n`,
	})
	await receiver.assemble({ headers: new Headers(), body: inPieces(Buffer.from(body), 64), signal })
}

async function obey(line: string): Promise<string> {
	const [command, argument] = line.split(' ')
	const number = Number(argument)
	try {
		if (command === 'assemble') await assemble(number)
		else for (const report of reportsOf(number)) await runs.report(report)
		return `done ${number}`
	} catch (error) {
		const { status, code } = toApiError(error)
		return `failed ${status} ${code}`
	}
}

console.log('ready')
for await (const line of console) console.log(await obey(line))
