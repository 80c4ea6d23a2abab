/*
 * Kills and I/O errors at every system call of a report and of an upload in pieces, by strace. What was
 * answered must be there, once; of what was not, a beginning or nothing; sent again, all of it.
 *
 * `bun test/faults/report-faults.ts [kills] [errors]` tries that many points of each kind (default: all).
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { runDirectoryName } from '../../src/runs/run-name.ts'
import { recoverUploads } from '../../src/upload/staging.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { checkStored, runId } from './reports.ts'
import { Subject } from './subject.ts'
import { storedVersion } from './versions.ts'

/** Calls with which a report or a piece changes or reads the disk. */
const CALLS = [
	'write',
	'pwrite64',
	'fsync',
	'fdatasync',
	'rename',
	'openat',
	'mkdir',
	'ftruncate',
	'close',
	'unlinkat',
	'rmdir',
	'read',
	'pread64',
] as const

/** Writes fail on files only: else the process could not answer. */
const FAILING_CALLS = [
	'write',
	'pwrite64',
	'fsync',
	'fdatasync',
	'rename',
	'openat',
	'mkdir',
] as const
const LOGS = ['metrics.jsonl', 'events.jsonl', 'samples.jsonl'] as const
const ERRORS = ['ENOSPC', 'EIO', 'EROFS', 'EMFILE', 'EDQUOT'] as const

type Work = 'report' | 'assemble'

const script = 'report-process.ts'

/** What has been answered so far, by kind of work. */
class Progress {
	readonly path: string
	#batch = 0
	#version = 0
	#acknowledgedBatch = -1
	#acknowledgedVersion: number | null = null

	constructor(path: string) {
		this.path = path
	}

	command(work: Work): string {
		return work === 'report' ? `report ${this.#batch}` : `assemble ${this.#version}`
	}

	/** Checks the directory after a command and goes on to the next one if it was answered. */
	settle(work: Work, answer: string | null): void {
		const isDone = answer?.startsWith('done') === true
		if (work === 'report') {
			if (isDone) this.#acknowledgedBatch = this.#batch
			checkStored(join(this.path, runDirectoryName(runId)), this.#acknowledgedBatch, this.#batch)
			if (isDone) this.#batch++
			return
		}
		const stored = storedVersion(this.path, ['.pieces', runDirectoryName(runId)])
		const isExpected = stored === this.#version || (!isDone && stored === this.#acknowledgedVersion)
		if (!isExpected) throw new Error(`found version ${stored}, expected ${this.#version}`)
		if (!isDone) return
		this.#acknowledgedVersion = this.#version
		this.#version++
	}
}

/** Kills the process at one call after the other; returns at how many. */
export async function injectReportKills(pointsMax: number): Promise<number> {
	using directory = tempDir()
	const path = join(directory.path, 'checkpoints')
	mkdirSync(path)
	const progress = new Progress(path)
	let points = 0
	let series = (['report', 'assemble'] as const).flatMap((work) =>
		CALLS.map((call) => ({ work, call, index: 1 })),
	)
	while (points < pointsMax && series.length > 0) {
		const hit: typeof series = []
		for (const { work, call, index } of series) {
			if (points >= pointsMax) break
			const subject = await Subject.start(script, path)
			const injection = `${call}:signal=KILL:when=${index}`
			const { answer, injected } = await subject.injecting(injection, () =>
				subject.ask(progress.command(work)),
			)
			await subject.stop()
			await recoverUploads(path)
			try {
				progress.settle(work, answer)
				// The trainer sends again what was not answered.
				if (answer === null) await sendAgain(path, progress, work)
			} catch (cause) {
				throw new Error(`${work}, ${call} at ${index} (${answer})`, { cause })
			}
			if (injected === 0) continue
			points++
			hit.push({ work, call, index: index + 1 })
		}
		series = hit
	}
	return points
}

async function sendAgain(path: string, progress: Progress, work: Work): Promise<void> {
	const subject = await Subject.start(script, path)
	const answer = await subject.ask(progress.command(work))
	await subject.stop()
	if (answer?.startsWith('done') !== true) throw new Error(`sent again: ${answer}`)
	progress.settle(work, answer)
}

/** Lets one call after the other fail in a process that has to survive; returns how many did. */
export async function injectReportErrors(pointsMax: number): Promise<number> {
	using directory = tempDir()
	const path = join(directory.path, 'checkpoints')
	mkdirSync(path)
	const files = [...LOGS, '.run.json.tmp'].map((file) => join(path, runDirectoryName(runId), file))
	const progress = new Progress(path)
	const subject = await Subject.start(script, path)
	let points = 0
	try {
		for (let index = 1; points < pointsMax; index++) {
			let hits = 0
			for (const work of ['report', 'assemble'] as const) {
				for (const call of FAILING_CALLS) {
					for (const error of ERRORS) {
						if (points >= pointsMax) break
						const { answer, injected } = await subject.injecting(
							`${call}:error=${error}:when=${index}`,
							() => subject.ask(progress.command(work)),
							call === 'write' ? files : [],
						)
						const where = `${work}, ${call} ${error} at ${index} (${answer})`
						if (answer === null) throw new Error(`${where}: the process died`)
						const isStored = answer.startsWith('done')
						if (isStored && injected > 0 && work === 'report' && call === 'fsync') {
							throw new Error(`${where}: answered without being on disk`)
						}
						try {
							progress.settle(work, answer)
							if (!isStored) {
								const again = await subject.ask(progress.command(work))
								if (!again?.startsWith('done')) throw new Error(`sent again: ${again}`)
								progress.settle(work, again)
							}
						} catch (cause) {
							throw new Error(where, { cause })
						}
						if (injected === 0) break
						points++
						hits++
					}
				}
			}
			if (hits === 0) break
		}
	} finally {
		await subject.stop()
	}
	return points
}

/** How the logs of a run are opened for a batch of reports, in words of strace. */
export async function openingsOfLogs(): Promise<readonly string[]> {
	using directory = tempDir()
	const path = join(directory.path, 'checkpoints')
	mkdirSync(path)
	const run = join(path, runDirectoryName(runId))
	const subject = await Subject.start(script, path)
	try {
		await subject.ask('report 0')
		const files = LOGS.map((file) => join(run, file))
		return await subject.tracing('openat', files, () => subject.ask('report 1'))
	} finally {
		await subject.stop()
	}
}

if (import.meta.main) {
	const [kills = '100000', errors = '100000'] = process.argv.slice(2)
	console.log(`${await injectReportErrors(Number(errors))} I/O errors: nothing lost, nothing twice`)
	console.log(`${await injectReportKills(Number(kills))} kill points: nothing lost, nothing twice`)
}
