/*
 * A server over a checkpoints directory that is a mount, without HTTP, in a namespace of its own:
 * `bun mount-process.ts DIRECTORY`. It stores a run, loses the mount, is told more and says what became of it.
 */
import { mkdirSync, readdirSync } from 'node:fs'
import { openStore } from '../../src/checkpoint/store/store.ts'
import { TrainingRuns } from '../../src/runs/training-runs.ts'
import { UploadReceiver } from '../../src/upload/upload.ts'
import { inPieces, jsonBody, verifyHere } from '../upload/upload-fixture.ts'

const [directory = ''] = process.argv.slice(2)
const log = () => {}

function call(...command: string[]): void {
	const { exitCode, stderr } = Bun.spawnSync(command)
	if (exitCode !== 0) throw new Error(stderr.toString())
}

mkdirSync(directory)
call('mount', '-t', 'tmpfs', 'none', directory)
const store = await openStore({ directory, log })
const limits = { bytesMax: 2 ** 20, inflatedBytesMax: 2 ** 20 }
const receiver = new UploadReceiver({ store, verify: verifyHere, log, ...limits })
const trainings = new TrainingRuns({ store, log })
await trainings.ready()

const { signal } = new AbortController()
const upload = () =>
	receiver.receive({ headers: new Headers(), body: inPieces(jsonBody()), signal })
const report = () => trainings.report({ type: 'metrics', runId: 'told', points: [{ step: 1 }] })
const outcome = (work: Promise<unknown>) =>
	work.then(
		() => 'stored',
		(error) => `${error.kind}: ${error.message}`,
	)

async function tell(when: string): Promise<void> {
	const stored = [await outcome(upload()), await outcome(report())]
	await store.rescan()
	const served = store.runs().map(({ name }) => name)
	console.log(JSON.stringify({ when, stored, served, there: readdirSync(directory).sort() }))
}

await tell('mounted')
call('umount', '--lazy', directory)
await tell('gone')
process.exit(0)
