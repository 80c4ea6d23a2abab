/*
 * Who is still at work on what lies in `.incoming`: each upload holds a lock on a file of its own, which
 * the kernel drops with the process, whatever its number and in whichever container it ran.
 */
import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { tryLockFile } from '../kernels/binding.ts'
import { errorCode } from '../lib/errors.ts'

const SUFFIX = '.lock'

/** Where the file system has no locks, what has not changed for so long is abandoned. */
const ABANDONED_MS = 6 * 3600 * 1000

/** The id that a lock file belongs to; undefined for other names. */
export function lockedId(fileName: string): string | undefined {
	return fileName.endsWith(SUFFIX) ? fileName.slice(0, -SUFFIX.length) : undefined
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
		const handle = await open(path, 'wx', 0o600)
		try {
			tryLockFile(handle.fd)
			// Until it was locked it looked like the lock of a dead process.
			if ((await handle.stat()).nlink > 0) return new UploadLock(path, handle)
		} catch (error) {
			await handle.close()
			throw error
		}
		await handle.close()
		return null
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
		if (handle !== null && !tryLockFile(handle.fd) && (await ageMs(path)) < ABANDONED_MS) return
		await sweep()
		await rm(lockPath, { force: true }).catch(() => {})
	} finally {
		await handle?.close().catch(() => {})
	}
}

async function ageMs(path: string): Promise<number> {
	const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }))
	return Date.now() - mtimeMs
}
