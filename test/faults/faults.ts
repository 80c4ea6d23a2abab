/*
 * Kills and I/O errors at every system call of an upload, by strace. After each one the directory must
 * hold the old version whole or the new one whole, and nothing else.
 *
 * `bun test/faults/faults.ts [kills] [errors] [forms]` tries that many points of each kind (default: all
 * kill points, some 2,000, and 500 errors); `forms`, such as `0,1,2`, limits the kills to some ways of
 * sending, so that several processes can share the work. Needs Linux, strace and the right to trace.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { recoverUploads } from '../../src/upload/staging.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { Subject } from './subject.ts'
import { formCount, runOf, storedVersion, type Version } from './versions.ts'

/** Calls with which an upload changes or reads the disk. */
const CALLS = [
	'write',
	'pwrite64',
	'fsync',
	'rename',
	'openat',
	'mkdir',
	'close',
	'unlinkat',
	'rmdir',
	'read',
	'pread64',
	'fstat',
	'newfstatat',
	'statx',
	'getdents64',
	'inotify_add_watch',
] as const

type Call = (typeof CALLS)[number]

/** Errors that an upload meets in life. */
const ERRORS = [
	'ENOSPC',
	'EIO',
	'EROFS',
	'EDQUOT',
	'EMFILE',
	'EACCES',
	'ENOMEM',
	'ENFILE',
	'EFBIG',
	'ESTALE',
] as const

/** Calls whose failure is the system's to report; a failing read of the pipe would only deafen us. */
const FAILING_CALLS: readonly Call[] = [
	'pwrite64',
	'fsync',
	'rename',
	'openat',
	'mkdir',
	'unlinkat',
	'rmdir',
	'pread64',
	'getdents64',
	'statx',
	'newfstatat',
	'inotify_add_watch',
]

export interface FaultCount {
	/** Faults that took effect, each at another point. */
	readonly points: number
	/** Uploads that succeeded nevertheless. */
	readonly successes: number
}

/** What is stored where `version` is uploaded to. Files of a model that are not asked for stay for an hour. */
function storedOf(directory: string, version: Version): Version | null {
	const run = runOf(version)
	return storedVersion(directory, ['.pieces', run === 'run' ? 'model' : 'run'], run)
}

/** Checks what an upload of `next` may have left of `before`. */
function checkStored(
	directory: string,
	before: Version | null,
	next: Version,
	answer: string | null,
) {
	const stored = storedOf(directory, next)
	const isDone = answer?.startsWith('done') === true
	if (stored !== next && (isDone || stored !== before)) {
		throw new Error(`found version ${stored}, expected ${isDone ? next : `${before} or ${next}`}`)
	}
	return stored
}

/** What the process is doing when it is killed. */
type Work = 'load' | 'first upload' | 'later upload'

/** One kind of call in one kind of work, and the next of them to be killed at. */
interface KillSeries {
	readonly work: Work
	/** Way of sending (versions.ts). */
	readonly form: number
	readonly call: Call
	index: number
}

/**
 * Kills the process at one call after the other, in turn for every kind of call and of work, starting
 * it again each time. No point is tried twice; ends early when there is none left. Loading is tried with
 * the first form only: several calls with other forms each can share the work.
 */
export async function injectKills(
	pointsMax: number,
	forms: readonly number[] = Array.from({ length: formCount }, (_, form) => form),
): Promise<FaultCount> {
	using directory = tempDir()
	const path = join(directory.path, 'checkpoints')
	mkdirSync(path)
	let points = 0
	let successes = 0
	let version: Version = 0
	let remaining: KillSeries[] = (['first upload', 'later upload', 'load'] as const).flatMap(
		(work) =>
			(work === 'load' ? forms.filter((form) => form === 0) : forms).flatMap((form) =>
				CALLS.map((call) => ({ work, form, call, index: 1 })),
			),
	)
	while (points < pointsMax && remaining.length > 0) {
		const hit = new Set<KillSeries>()
		for (const series of remaining) {
			if (points >= pointsMax) break
			const { work, form, call, index } = series
			if (work === 'first upload') rmSync(join(path, runOf(form)), { recursive: true, force: true })
			version += formCount - ((version - form) % formCount)
			const before = storedOf(path, version)
			const subject = await Subject.start('upload-process.ts', path)
			const { answer, injected } = await subject.injecting(
				`${call}:signal=KILL:when=${index}`,
				() => subject.ask(work === 'load' ? 'load' : `upload ${version}`),
			)
			await subject.stop()
			await recoverUploads(path)
			try {
				if (work === 'load') expectUnchanged(path, version, before)
				else checkStored(path, before, version, answer)
			} catch (cause) {
				throw new Error(`${work}, ${call} at ${index} (${answer})`, { cause })
			}
			if (answer !== null) successes++
			// Beyond the last call of its kind nothing is hit any more.
			if (injected === 0) continue
			points++
			series.index++
			hit.add(series)
		}
		remaining = remaining.filter((series) => hit.has(series))
	}
	return { points, successes }
}

function expectUnchanged(directory: string, version: Version, before: Version | null): void {
	const stored = storedOf(directory, version)
	if (stored !== before) throw new Error(`found version ${stored}, expected ${before}`)
}

/** Lets one call after the other fail in a process that has to survive all of it. */
export async function injectErrors(pointsMax: number): Promise<FaultCount> {
	using directory = tempDir()
	const path = join(directory.path, 'checkpoints')
	mkdirSync(path)
	const subject = await Subject.start('upload-process.ts', path)
	let points = 0
	let successes = 0
	let version: Version = 1
	try {
		for (let index = 1; points < pointsMax; index++) {
			let hits = 0
			for (const call of FAILING_CALLS) {
				for (const error of ERRORS) {
					if (points >= pointsMax) break
					if (version % 4 === 0)
						rmSync(join(path, runOf(version)), { recursive: true, force: true })
					const before = storedOf(path, version)
					const { answer, injected } = await subject.injecting(
						`${call}:error=${error}:when=${index}`,
						() => subject.ask(`upload ${version}`),
					)
					if (answer === null) throw new Error(`${call} ${error} ${index}: the process died`)
					try {
						checkStored(path, before, version, answer)
					} catch (cause) {
						throw new Error(`${call} ${error} at ${index} (${answer})`, { cause })
					}
					version++
					hits += injected
					if (injected > 0) points++
					if (injected > 0 && answer.startsWith('done')) successes++
					if (injected === 0) break
				}
			}
			if (hits === 0) break
		}
	} finally {
		await subject.stop()
	}
	return { points, successes }
}

if (import.meta.main) {
	const [kills = '100000', errors = '500', forms] = process.argv.slice(2)
	const report = (kind: string, { points, successes }: FaultCount) =>
		console.log(`${points} ${kind}: 0 mixed, 0 leftovers, ${successes} uploads succeeded anyway`)
	report('I/O errors', await injectErrors(Number(errors)))
	report('kill points', await injectKills(Number(kills), forms?.split(',').map(Number)))
}
