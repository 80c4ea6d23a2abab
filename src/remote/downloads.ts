/*
 * Where files lie while they come: `.downloads/<digest>/`, in the directory of copies, which nothing
 * serves. One server of those that share the directory fetches a set of files, while it holds
 * `.downloads/<digest>.lock`; when it dies, the next goes on with what has come.
 */
import { type FileHandle, mkdir, open, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { namesIn } from '../checkpoint/store/files.ts'
import { tryLockFile } from '../kernels/binding.ts'
import { errorCode } from '../lib/errors.ts'

const DIRECTORY = '.downloads'
const LOCK_SUFFIX = '.lock'

/** A lock is touched so often while files come, in milliseconds. */
const TOUCH_MS = 10_000
/** Where the file system has no locks, one that was not touched for so long is that of a dead process. */
const ABANDONED_MS = 6 * TOUCH_MS

export class Downloads {
	readonly #path: string

	/** In the directory of copies. */
	constructor(directory: string) {
		this.#path = join(directory, DIRECTORY)
	}

	/** The place for the files of that digest; null while somebody else fetches them. */
	async claim(digest: string): Promise<DownloadPlace | null> {
		for (;;) {
			await mkdir(this.#path, { recursive: true, mode: 0o700 })
			const lock = await takeLock(join(this.#path, digest + LOCK_SUFFIX))
			if (lock === 'gone') continue
			return lock === 'held' ? null : new DownloadPlace(this.#path, digest, lock)
		}
	}

	/** Removes what nobody fetches any more: to be called when all that is wanted is here. Never fails. */
	async sweep(): Promise<void> {
		const entries = await namesIn(this.#path)
		const digests = new Set(entries.map((entry) => entry.replace(LOCK_SUFFIX, '')))
		for (const digest of digests) {
			try {
				await using place = await this.claim(digest)
				await place?.clear()
			} catch {
				// The next look sweeps again.
			}
		}
	}
}

/** A place for files that are being fetched, held until it is disposed of. */
export class DownloadPlace implements AsyncDisposable {
	readonly #root: string
	readonly #path: string
	readonly #lockPath: string
	readonly #lock: FileHandle
	readonly #touching: ReturnType<typeof setInterval>

	constructor(root: string, digest: string, lock: FileHandle) {
		this.#root = root
		this.#path = join(root, digest)
		this.#lockPath = join(root, digest + LOCK_SUFFIX)
		this.#lock = lock
		this.#touching = setInterval(() => void touch(lock), TOUCH_MS)
		this.#touching.unref()
	}

	/** Makes the directory, or finds it with what an earlier process has left. */
	async prepare(): Promise<void> {
		await mkdir(this.#path, { recursive: true, mode: 0o700 })
	}

	/** Where a file of a run lies meanwhile. */
	pathOf(path: string): string {
		// No name of a run's file has a plus sign.
		return join(this.#path, path.replaceAll('/', '+'))
	}

	/** Removes all that has come. */
	async clear(): Promise<void> {
		await rm(this.#path, { recursive: true, force: true })
	}

	async [Symbol.asyncDispose](): Promise<void> {
		clearInterval(this.#touching)
		await rm(this.#lockPath, { force: true }).catch(() => {})
		await this.#lock.close().catch(() => {})
		await rmdir(this.#root).catch(() => {})
	}
}

/** Takes the lock file of that path: `held` by somebody who lives, or `gone` when it went just there. */
async function takeLock(path: string): Promise<FileHandle | 'held' | 'gone'> {
	let isNew = true
	let handle: FileHandle
	try {
		handle = await open(path, 'wx', 0o600)
	} catch (error) {
		const code = errorCode(error)
		if (code === 'ENOENT') return 'gone'
		if (code !== 'EEXIST') throw error
		isNew = false
		try {
			handle = await open(path, 'r+')
		} catch (failure) {
			if (errorCode(failure) === 'ENOENT') return 'gone'
			throw failure
		}
	}
	try {
		const { mtimeMs } = await handle.stat()
		const isLocked = tryLockFile(handle.fd) ?? (isNew || Date.now() - mtimeMs > ABANDONED_MS)
		if (isLocked && (await handle.stat()).nlink > 0) {
			await touch(handle)
			return handle
		}
		await handle.close()
		return isLocked ? 'gone' : 'held'
	} catch (error) {
		await handle.close()
		throw error
	}
}

async function touch(lock: FileHandle): Promise<void> {
	const now = new Date()
	await lock.utimes(now, now).catch(() => {})
}
