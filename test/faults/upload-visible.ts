/*
 * The very next request after an upload's answer finds its run, whatever else happens in the directory:
 * other uploads, runs that are copied, replaced and removed, servers that look at everything again.
 *
 * `bun test/faults/upload-visible.ts [uploads]` tries that many (default 100,000) and prints how many of
 * them were missed; set TMPDIR to a directory in memory to have it done in minutes.
 */
import { cpSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { toJsonForm } from '../helpers/tiny-checkpoint.ts'
import { jsonBody, UploadDoor, versioned } from '../upload/upload-fixture.ts'

/** Uploads that are under way at the same time, each to runs of its own. */
const UPLOADERS = 4

/** Runs of one uploader. */
const RUNS = 5

export interface VisibilityCount {
	readonly uploads: number
	/** Answered with success, and then not found. */
	readonly missed: number
	/** Among them those whose bytes were there already. */
	readonly repeats: number
}

/** Tries `uploads` uploads; the order of what happens beside them comes from `seed`. */
export async function countMissedUploads(uploads: number, seed = 1): Promise<VisibilityCount> {
	using door = await UploadDoor.open()
	const random = lcg(seed)
	let started = 0
	let missed = 0
	let repeats = 0
	const uploader = async (index: number) => {
		while (started < uploads) {
			const upload = started++
			const name = `run-${index}-${random(RUNS)}`
			const path = join(door.path, name)
			const version = random(3)
			const step = 1 + random(3)
			const body = jsonBody({
				name: `"${name}"`,
				step: String(step),
				checkpoint: toJsonForm(versioned(version)).toString(),
			})
			if (random(4) === 0) rmSync(path, { recursive: true, force: true })
			if (random(8) === 0) copyAndReplace(door.path, name, `run-${index}-${random(RUNS)}`)
			if (random(16) === 0) void door.store.rescan().catch(() => {})
			const answer = await door.send(body)
			if (!('isNew' in answer)) throw new Error(`upload ${upload} failed`, { cause: answer })
			if (!answer.isNew) repeats++
			if (door.store.checkpoint(name, step) === undefined) missed++
		}
	}
	await Promise.all(Array.from({ length: UPLOADERS }, (_, index) => uploader(index)))
	return { uploads, missed, repeats }
}

/** Puts a copy of another run into place, as whoever copies checkpoints by hand does. */
function copyAndReplace(directory: string, name: string, other: string): void {
	const copy = join(directory, `.copy-of-${name}`)
	try {
		cpSync(join(directory, other), copy, { recursive: true })
		rmSync(join(directory, name), { recursive: true, force: true })
		renameSync(copy, join(directory, name))
	} catch {
		// There is no such run at the moment.
		rmSync(copy, { recursive: true, force: true })
	}
}

/** Numbers below a bound, the same for the same seed. */
function lcg(seed: number): (below: number) => number {
	let state = seed
	return (below) => {
		state = (state * 1_103_515_245 + 12_345) % 2 ** 31
		return (state >> 8) % below
	}
}

if (import.meta.main) {
	const count = await countMissedUploads(Number(process.argv[2] ?? 100_000))
	console.log(
		`${count.uploads} uploads, ${count.repeats} of bytes that were there: ${count.missed} missed`,
	)
	process.exit(count.missed === 0 ? 0 : 1)
}
