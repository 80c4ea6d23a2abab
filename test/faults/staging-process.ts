/*
 * One server of several over a checkpoints directory, as far as staging goes:
 * `bun staging-process.ts stage DIR` stages an upload and commits it when a line comes;
 * `bun staging-process.ts recover DIR` does what a server does at its start.
 */
import { checkpointName } from '../../src/checkpoint/store/names.ts'
import { recoverUploads, StagedRun } from '../../src/upload/staging.ts'

const [mode, directory = '.'] = process.argv.slice(2)

if (mode === 'recover') {
	console.log(process.pid, JSON.stringify(await recoverUploads(directory)))
} else {
	const staged = await StagedRun.create(directory)
	await staged.writeFile('config.json', '{}')
	await staged.writeFile(checkpointName(1), '{}')
	console.log(process.pid, 'staged')
	for await (const _line of console) break
	await staged.commit('run')
	await staged.remove()
	console.log(process.pid, 'committed')
}
