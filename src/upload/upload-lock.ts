/*
 * Who is still at work on what lies in `.incoming` and `.pieces`: each upload holds a lock on a file of its
 * own, which the kernel drops with the process, whatever its number and in whichever container it ran.
 */
import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { tryLockFile } from '../kernels/binding.ts'
import { errorCode } from '../lib/errors.ts'
import { Fault } from '../lib/fault.ts'

const SUFFIX = '.lock'

/** Where the file system has no locks, what has not changed for so long is abandoned. */
const ABANDONED_MS = 6 * 3600 * 1000

/** How often, and at what distance, the lock of a run is tried: it is held for as long as renames take. */
const RUN_LOCK_ATTEMPTS = 500
const RUN_LOCK_MS = 10
const RUN_LOCK_RETRY_SECONDS = 1
/** Looks at a file, before a system that fails is believed. */
const LOOK_ATTEMPTS = 3

/** The id that a lock file belongs to; undefined for other names. */
export function lockedId(fileName: string): string | undefined {
	return fileName.endsWith(SUFFIX) ? fileName.slice(0, -SUFFIX.length) : undefined
}

/**
 * Makes a file that is locked for as long as it is open. Null when somebody sweeps just there; throws
 * what the system throws.
 */
export async function createLocked(path: string): Promise<FileHandle | null> {
	const handle = await open(path, 'wx', 0o600)
	try {
		tryLockFile(handle.fd)
		// Until it was locked it looked like one of a dead process.
		if (await isNamed(handle)) return handle
	} catch (error) {
		await rm(path, { force: true }).catch(() => {})
		await handle.close()
		throw error
	}
	await handle.close()
	return null
}

/** Removes a file of `createLocked` whose process is gone. False when it lives; never fails. */
export async function removeAbandoned(path: string): Promise<boolean> {
	try {
		await using handle = await open(path, 'r+')
		const isAbandoned = await takeAbandoned(handle, path)
		if (isAbandoned) await rm(path, { force: true })
		return isAbandoned
	} catch (error) {
		return errorCode(error) === 'ENOENT'
	}
}

/** A lock that is held. */
export class UploadLock {
	readonly #path: string
	readonly #handle: FileHandle

	private constructor(path: string, handle: FileHandle) {
		this.#path = path
		this.#handle = handle
	}

	/** Takes the lock of a new id. Null when somebody sweeps just there; throws what the system throws. */
	static async create(directory: string, id: string): Promise<UploadLock | null> {
		const path = join(directory, id + SUFFIX)
		const handle = await createLocked(path)
		return handle && new UploadLock(path, handle)
	}

	/** Removes the lock, after all that it guards. Never fails. */
	async release(): Promise<void> {
		await rm(this.#path, { force: true }).catch(() => {})
		await this.#handle.close().catch(() => {})
	}
}

/**
 * Runs `sweep` if nobody holds the lock of that id, and nobody can take it meanwhile; then removes the
 * lock. `path` is what the lock guards. Never fails for want of a lock.
 */
export async function ifAbandoned(
	directory: string,
	id: string,
	path: string,
	sweep: () => Promise<void>,
): Promise<void> {
	const lockPath = join(directory, id + SUFFIX)
	let handle: FileHandle | null = null
	try {
		handle = await open(lockPath, 'r+')
	} catch (error) {
		if (errorCode(error) !== 'ENOENT') return
	}
	try {
		if (handle !== null && !(await takeAbandoned(handle, path))) return
		await sweep()
		await rm(lockPath, { force: true }).catch(() => {})
	} finally {
		await handle?.close().catch(() => {})
	}
}

/**
 * Runs `work` while no other process, or upload of this one, moves files into the run of that name.
 * Throws Fault `overloaded` when another one takes long, and what the system throws.
 */
export async function withRunLock<T>(
	directory: string,
	name: string,
	work: () => Promise<T>,
): Promise<T> {
	const path = join(directory, `run-${name}${SUFFIX}`)
	for (let attempt = 1; ; attempt++) {
		const handle = await open(path, 'a', 0o600)
		try {
			const isFree = tryLockFile(handle.fd) !== false
			// Who had it before has removed it: another one stands there, or none.
			if (isFree && (await isNamed(handle))) {
				try {
					return await work()
				} finally {
					await rm(path, { force: true }).catch(() => {})
				}
			}
		} finally {
			await handle.close().catch(() => {})
		}
		if (attempt === RUN_LOCK_ATTEMPTS) {
			const message = `Another server is storing into '${name}' at the moment.`
			throw new Fault('overloaded', message, { retrySeconds: RUN_LOCK_RETRY_SECONDS })
		}
		await Bun.sleep(RUN_LOCK_MS)
	}
}

/** Whether the file has not been removed; a look that fails for a moment is taken again. Throws what the system throws. */
async function isNamed(handle: FileHandle): Promise<boolean> {
	for (let attempt = 1; ; attempt++) {
		try {
			return (await handle.stat()).nlink > 0
		} catch (error) {
			if (attempt === LOOK_ATTEMPTS) throw error
			await Bun.sleep(RUN_LOCK_MS)
		}
	}
}

/** Takes the lock of a file unless somebody holds it; without locks, the age of what it guards decides. */
async function takeAbandoned(handle: FileHandle, guarded: string): Promise<boolean> {
	return tryLockFile(handle.fd) ?? (await ageMs(guarded)) > ABANDONED_MS
}

async function ageMs(path: string): Promise<number> {
	const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }))
	return Date.now() - mtimeMs
}
