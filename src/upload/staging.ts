/*
 * How an upload's files get into place so that at any moment, also after a crash, a run is old whole or
 * new whole.
 *
 * Files are written into `.incoming/<id>/` inside the checkpoints directory, which nothing serves, while
 * `.incoming/<id>.lock` is held. When they are verified and on disk, renaming that directory to `commit-…` decides: from then
 * on the files move into the run one by one, and a crash in between is finished at the next start.
 * Before it, nothing has happened, and the next start sweeps.
 */
import { randomBytes } from 'node:crypto'
import { type FileHandle, lstat, mkdir, open, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { makeDirectory, namesIn, syncDirectory } from '../checkpoint/store/files.ts'
import { isSafeName } from '../checkpoint/store/names.ts'
import { errorCode } from '../lib/errors.ts'
import { ifAbandoned, lockedId, UploadLock, withRunLock } from './upload-lock.ts'

const INCOMING = '.incoming'
const COMMIT_PREFIX = 'commit-'
const MANIFEST = 'manifest.json'
/** Of a directory that was replaced, until what has replaced it is in place. */
const REPLACED_SUFFIX = '.replaced'

/** Calls that fail are tried again where what has begun must end. */
const ATTEMPTS = 10
const RETRY_MS = 100

/** How often clearing up is tried. */
const CLEARING_ATTEMPTS = 3

/** The files of one upload, before they belong to a run. */
export class StagedRun {
	readonly #root: string
	#path: string
	readonly #files: string[] = []
	/** Some file has moved into the run: there is no way back. */
	#hasMoved = false

	readonly #lock: UploadLock

	private constructor(root: string, path: string, lock: UploadLock) {
		this.#root = root
		this.#path = path
		this.#lock = lock
	}

	/** Makes an empty staging directory inside the checkpoints directory `root`, which must be there. */
	static async create(root: string): Promise<StagedRun> {
		const incoming = join(root, INCOMING)
		let lock: UploadLock | null = null
		try {
			for (;;) {
				const id = randomBytes(8).toString('hex')
				// Another upload that ends removes the directory when that is empty.
				await persistently(async () => {
					await makeDirectory(incoming, 0o700)
					lock = await UploadLock.create(incoming, id)
				}, ['ENOENT'])
				if (lock === null) continue
				await mkdir(join(incoming, id), { mode: 0o700 })
				return new StagedRun(root, join(incoming, id), lock)
			}
		} catch (error) {
			await (lock as UploadLock | null)?.release()
			await removeIfEmpty(incoming)
			throw error
		}
	}

	/** Where the file of that name stands. */
	pathOf(fileName: string): string {
		return join(this.#path, fileName)
	}

	/** Opens a new file that only we can read. */
	async createFile(fileName: string): Promise<StagedFile> {
		const handle = await open(this.pathOf(fileName), 'wx', 0o600)
		this.#files.push(fileName)
		return new StagedFile(handle)
	}

	/** Adds an empty directory, whose files move into the run with it; returns its path. */
	async createDirectory(name: string): Promise<string> {
		await mkdir(this.pathOf(name), { mode: 0o755 })
		this.#files.push(name)
		return this.pathOf(name)
	}

	/** Adds a small file, on disk when this resolves. */
	async writeFile(fileName: string, text: string): Promise<void> {
		await using file = await this.createFile(fileName)
		await file.write(Buffer.from(text))
		await file.sync()
	}

	/** Takes over a file of the same file system; `path` is its own or, in an added directory, `directory/name`. */
	async takeOver(from: string, path: string): Promise<void> {
		await using handle = await open(from, 'r+')
		await syncWhole(handle)
		await rename(from, this.pathOf(path))
		if (!path.includes('/')) this.#files.push(path)
	}

	/** Gives a file or directory its final name. */
	async renameFile(from: string, to: string): Promise<void> {
		await rename(this.pathOf(from), this.pathOf(to))
		this.#files.splice(this.#files.indexOf(from), 1, to)
	}

	/** Takes a file out again. */
	async removeFile(fileName: string): Promise<void> {
		await rm(this.pathOf(fileName))
		this.#files.splice(this.#files.indexOf(fileName), 1)
	}

	/** Names of the files and directories that will become the run's. */
	get files(): readonly string[] {
		return this.#files
	}

	/** Puts all files into run `name`, which keeps its others. Every file must have been synced. */
	async commit(name: string): Promise<void> {
		const files = [...this.#files]
		await this.writeFile(MANIFEST, JSON.stringify({ name, files } satisfies Manifest))
		await syncDirectory(this.#path)
		const incoming = join(this.#root, INCOMING)
		await withRunLock(incoming, name, async () => {
			for (const { path, manifest } of await commitsIn(incoming)) {
				if (manifest.name === name) await finishAbandoned(this.#root, path)
			}
			const committed = join(incoming, COMMIT_PREFIX + basename(this.#path))
			await rename(this.#path, committed)
			this.#path = committed
			await syncDirectory(incoming)
			await finishCommit(this.#root, committed, { name, files }, () => {
				this.#hasMoved = true
			})
		})
	}

	/** Removes what is left; never fails. A commit that has begun to move files is left to be finished. */
	async remove(): Promise<void> {
		if (!this.#hasMoved) await removeQuietly(this.#path)
		await this.#lock.release()
		await removeIfEmpty(join(this.#root, INCOMING))
	}
}

/** Coarsest step of a file system's clock that we know. */
const CLOCK_TICK_MS = 20

/** Bytes gathered before they are written: senders may dribble. */
const WRITE_BYTES = 2 ** 17

/** A file being written. */
export class StagedFile implements AsyncDisposable {
	readonly #handle: FileHandle
	#buffer: Uint8Array | null = null
	#buffered = 0
	#position = 0

	constructor(handle: FileHandle) {
		this.#handle = handle
	}

	async write(bytes: Uint8Array): Promise<void> {
		if (this.#buffered + bytes.length > WRITE_BYTES) await this.#flush()
		if (bytes.length >= WRITE_BYTES) {
			await this.#writeAll(bytes)
			return
		}
		this.#buffer ??= new Uint8Array(WRITE_BYTES)
		this.#buffer.set(bytes, this.#buffered)
		this.#buffered += bytes.length
	}

	/** Resolves when all bytes are on disk. */
	async sync(): Promise<void> {
		await this.#flush()
		await syncWhole(this.#handle)
	}

	/** Closes the file; what has not been synced may be lost. */
	[Symbol.asyncDispose](): Promise<void> {
		return this.#handle.close()
	}

	async #flush(): Promise<void> {
		if (this.#buffer !== null) await this.#writeAll(this.#buffer.subarray(0, this.#buffered))
		this.#buffered = 0
	}

	async #writeAll(bytes: Uint8Array): Promise<void> {
		for (let done = 0; done < bytes.length; ) {
			const length = bytes.length - done
			const { bytesWritten } = await this.#handle.write(bytes, done, length, this.#position)
			done += bytesWritten
			this.#position += bytesWritten
		}
	}
}

async function syncWhole(handle: FileHandle): Promise<void> {
	// A last write that lies before the file's last change says that it was whole when it got its name.
	// When that change is, the file system's clock says, which may be another machine's.
	const now = Date.now()
	await handle.utimes(now / 1000, now / 1000)
	const { ctimeMs } = await handle.stat()
	await handle.utimes(ctimeMs / 1000, (ctimeMs - CLOCK_TICK_MS) / 1000)
	await handle.sync()
}

interface Manifest {
	readonly name: string
	readonly files: readonly string[]
}

/** What `recoverUploads` has done, by run name. */
export interface Recovery {
	/** Uploads that had been decided and are in place now. */
	readonly finished: readonly string[]
	/** The same, but their files still cannot be moved: these runs may hold a mix. */
	readonly unfinished: readonly string[]
}

/**
 * Finishes or sweeps what processes that are gone left in the checkpoints directory; call it before the
 * directory is read, and now and then for what other servers leave. Never fails.
 */
export async function recoverUploads(root: string): Promise<Recovery> {
	const incoming = join(root, INCOMING)
	const finished: string[] = []
	const unfinished: string[] = []
	for (const { path, manifest } of await commitsIn(incoming)) {
		const { name } = manifest
		try {
			const isFinished = await withRunLock(incoming, name, () => finishAbandoned(root, path))
			if (isFinished) finished.push(name)
		} catch (error) {
			// Another server has finished it and cleared up.
			if (errorCode(error) !== 'ENOENT') unfinished.push(name)
		}
	}
	for (const entry of await namesIn(incoming)) {
		const path = join(incoming, entry)
		const lockOf = lockedId(entry)
		await ifAbandoned(incoming, lockOf ?? entry.replace(COMMIT_PREFIX, ''), path, async () => {
			if (lockOf === undefined && (await decided(path)) === undefined) await removeQuietly(path)
		})
	}
	await removeIfEmpty(incoming)
	return { finished, unfinished }
}

/** Finishes a commit whose process is gone, while the run is locked; false for any other one. */
async function finishAbandoned(root: string, path: string): Promise<boolean> {
	const id = basename(path).slice(COMMIT_PREFIX.length)
	let isFinished = false
	await ifAbandoned(dirname(path), id, path, async () => {
		const manifest = await decided(path)
		if (manifest === undefined) return
		await finishCommit(root, path, manifest)
		isFinished = true
	})
	return isFinished
}

/** Uploads that have been decided and are not in place yet. */
async function commitsIn(incoming: string) {
	const commits: { readonly path: string; readonly manifest: Manifest }[] = []
	for (const entry of await namesIn(incoming)) {
		const path = join(incoming, entry)
		const manifest = await decided(path)
		if (manifest !== undefined) commits.push({ path, manifest })
	}
	return commits
}

/**
 * Moves the files that are still in `path` into their run and removes `path`. Can be repeated after a
 * crash. `onMoved` is called when the first file has moved.
 */
async function finishCommit(
	root: string,
	path: string,
	manifest: Manifest,
	onMoved?: () => void,
): Promise<void> {
	const target = join(root, manifest.name)
	await persistently(() => makeDirectory(target))
	try {
		for (const file of manifest.files) {
			await persistently(() => moveOnce(join(path, file), join(target, file)))
			onMoved?.()
		}
	} catch (error) {
		// Only a directory that we have just made is empty.
		await removeIfEmpty(target)
		throw error
	}
	await persistently(() => syncDirectory(target))
	await persistently(() => syncDirectory(root))
	await removeQuietly(path)
}

/** Repeats a call that fails for a moment: with one of `codes`, or with any. */
async function persistently(call: () => Promise<unknown>, codes?: string[]): Promise<void> {
	for (let attempt = 1; ; attempt++) {
		try {
			await call()
			return
		} catch (error) {
			const isFinal = attempt === ATTEMPTS || codes?.includes(errorCode(error)) === false
			if (isFinal) throw error
			await Bun.sleep(RETRY_MS)
		}
	}
}

/** Moves a file or directory; one that is no longer there has been moved before. */
async function moveOnce(from: string, to: string): Promise<void> {
	try {
		await rename(from, to)
	} catch (error) {
		const code = errorCode(error)
		if (code === 'ENOENT') return
		if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
		// A directory takes another one's place in two steps; a crash in between is finished by the second.
		await rename(to, `${from}${REPLACED_SUFFIX}`)
		await rename(from, to)
	}
}

/** What an upload that has been decided is; undefined for what else stands in `.incoming`. */
async function decided(path: string): Promise<Manifest | undefined> {
	if (!basename(path).startsWith(COMMIT_PREFIX)) return undefined
	try {
		const manifest = JSON.parse(await readFile(join(path, MANIFEST), 'utf8')) as Manifest
		const isOurs = isSafeName(manifest.name) && manifest.files.every(isSafeName)
		return isOurs ? manifest : undefined
	} catch {
		return undefined
	}
}

/** Checks that `name` is free or a real directory: an upload never follows a link. */
export async function isRunOrFree(root: string, name: string): Promise<boolean> {
	try {
		return (await lstat(join(root, name))).isDirectory()
	} catch (error) {
		if (errorCode(error) === 'ENOENT') return true
		throw error
	}
}

async function removeQuietly(path: string): Promise<void> {
	await attempting(() => rm(path, { recursive: true, force: true }))
}

async function removeIfEmpty(path: string): Promise<void> {
	await attempting(async () => {
		try {
			await rmdir(path)
		} catch (error) {
			if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(errorCode(error))) throw error
		}
	})
}

/** Clearing up must not fail what it follows; what stays is swept at the next start. */
async function attempting(call: () => Promise<void>): Promise<void> {
	for (let attempt = 0; attempt < CLEARING_ATTEMPTS; attempt++) {
		const isDone = await call().then(
			() => true,
			() => false,
		)
		if (isDone) return
	}
}
