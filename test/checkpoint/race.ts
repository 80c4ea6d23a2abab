/*
 * Many uploads of one name at once, each with its version in weights, config and metrics. Readers that
 * look whenever the picture changes must see one version.
 * `bun test/checkpoint/race.ts [rounds] [uploads at once]`
 */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ApiError } from '../../src/wire/errors.ts'
import { storedVersion, upload } from '../faults/versions.ts'
import { UploadDoor } from '../upload/upload-fixture.ts'

/** Runs the rounds; returns how many uploads were stored. Throws where a reader sees a mix. */
export async function race(rounds: number, uploadsAtOnce: number): Promise<number> {
	using door = await UploadDoor.open({ uploadsMax: uploadsAtOnce })
	let mixes = 0
	door.store.onChange(() => {
		const run = door.store.find('run')
		if (run === undefined) return
		const metrics = readFileSync(join(dirname(run.served.path), 'metrics.jsonl'), 'utf8')
		const weights = storedVersion(door.path, ['.incoming'])
		if (`{"loss":${run.domain}}\n` !== metrics || Number(run.domain) !== weights) mixes++
	})
	let stored = 0
	for (let round = 0; round < rounds; round++) {
		const answers = await Promise.all(
			Array.from({ length: uploadsAtOnce }, (_, i) => {
				const { headers, body } = upload(1 + round * uploadsAtOnce + i)
				return door.send(body, Object.fromEntries(headers))
			}),
		)
		const refused = answers.filter((answer) => answer instanceof ApiError)
		const other = refused.find(({ status }) => status !== 409)
		if (other !== undefined) throw other
		if (refused.length === uploadsAtOnce) throw new Error(`round ${round}: nobody succeeded`)
		stored += uploadsAtOnce - refused.length
		if (storedVersion(door.path) !== Number(door.store.find('run')?.domain)) mixes++
		if (mixes > 0) throw new Error(`round ${round}: a reader saw a mix`)
	}
	return stored
}

if (import.meta.main) {
	const [rounds = 1000, uploadsAtOnce = 50] = process.argv.slice(2).map(Number)
	const stored = await race(rounds, uploadsAtOnce)
	console.log(
		`${rounds} rounds of ${uploadsAtOnce} uploads: ${stored} stored, 0 mixes, 0 leftovers`,
	)
}
