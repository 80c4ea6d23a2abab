/*
 * Uploads that come in pieces or file by file, before they are put together: `.pieces/<digest of the upload's
 * id>/<index>`, or `file.<name>`, inside the checkpoints directory, which nothing serves. A piece has its
 * name when it is on disk, so a restart loses none, and it does not matter which of several servers over
 * the directory gets which piece. Uploads that nobody goes on with are swept.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, readFile, rename, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory, namesIn, syncDirectory } from '../checkpoint/store/files.ts'
import { errorCode } from '../lib/errors.ts'
import { Fault } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import { invalidValue, requestTooLarge } from '../wire/errors.ts'
import { StagedFile } from './staging.ts'
import { createLocked, removeAbandoned } from './upload-lock.ts'

export interface PieceOptions {
	/** The checkpoints directory. */
	readonly directory: string
	/** All pieces of one upload together. */
	readonly bytesMax: number
	/** All pieces of all uploads together. */
	readonly totalBytesMax: number
	readonly log: Log
	/** Epoch milliseconds; for tests. */
	readonly now?: () => number
}

/** Result of an upload that has been put together. */
export interface FinishedUpload {
	readonly name: string
	readonly step: number
	readonly sha256: string
}

/** An upload is dropped this long after its last piece, milliseconds. */
export const PIECES_MS_MAX = 3_600_000

const SWEEP_INTERVAL_MS = 300_000
const RETRY_SECONDS = 60
const DONE_NAME = 'done.json'
const FILE_PREFIX = 'file.'
/** Of what is not whole yet. */
const TEMPORARY_SUFFIX = '.tmp'

/** How often a directory is made for a piece, since others remove empty ones. */
const ATTEMPTS = 10

/** An upload as it was when this server looked at it last. */
interface PendingUpload {
	/** Bytes of each piece that is there, by its name. */
	readonly pieces: Map<string, number>
	lastMs: number
}

export class PieceStore {
	readonly #options: PieceOptions
	readonly #root: string
	readonly #now: () => number
	readonly #pending = new Map<string, PendingUpload>()
	/** Bytes of all pieces that are known, also of those that are arriving here. */
	#bytes = 0
	readonly #loaded: Promise<void>
	readonly #timer: Timer

	constructor(options: PieceOptions) {
		this.#options = options
		this.#root = join(options.directory, '.pieces')
		this.#now = options.now ?? Date.now
		this.#loaded = this.#load()
		this.#timer = setInterval(() => void this.sweep(), SWEEP_INTERVAL_MS)
		this.#timer.unref()
	}

	/**
	 * Stores a piece; it is on disk when this resolves. A piece that comes again replaces the one before.
	 * Returns how many of the upload's pieces are there; null when they have been put together already.
	 * Throws ApiError and Fault.
	 */
	async put(
		uploadId: string,
		piece: number | string,
		body: AsyncIterable<Uint8Array>,
	): Promise<number | null> {
		await this.#loaded
		const id = digestOf(uploadId)
		// Its answer may have been lost after all was put together.
		if ((await this.finished(uploadId)) !== null) return null
		const name = typeof piece === 'number' ? String(piece) : FILE_PREFIX + piece
		const directory = join(this.#root, id)
		const upload = this.#uploadOf(id)
		upload.lastMs = this.#now()
		const { handle, path } = await createTemporary(this.#root, id, name)
		let bytes = 0
		try {
			await using file = new StagedFile(handle)
			for await (const chunk of body) {
				bytes += chunk.length
				this.#bytes += chunk.length
				this.#checkRoom(upload, name, bytes)
				await file.write(chunk)
			}
			await file.sync()
			await rename(path, join(directory, name))
		} catch (error) {
			this.#bytes -= bytes
			await rm(path, { force: true }).catch(() => {})
			throw error
		}
		await syncDirectory(directory)
		this.#bytes -= upload.pieces.get(name) ?? 0
		upload.pieces.set(name, bytes)
		upload.lastMs = this.#now()
		return (await this.#look(id)).pieces.size
	}

	/** All bytes of an upload in order. Throws ApiError 400 while a piece is missing. */
	async read(uploadId: string, total: number): Promise<AsyncIterable<Uint8Array>> {
		await this.#loaded
		const id = digestOf(uploadId)
		const { pieces: there } = await this.#look(id)
		const indices = Array.from({ length: total }, (_, index) => index)
		const missing = indices.filter((index) => !there.has(String(index)))
		if (missing.length > 0) {
			const problem = `pieces that have all arrived (missing: ${missing.slice(0, 8).join(', ')})`
			throw invalidValue('totalChunks', problem, total)
		}
		return readFiles(indices.map((index) => join(this.#root, id, String(index))))
	}

	/** Where files of an upload lie. Throws ApiError 400 while one is missing. */
	async filesOf(
		uploadId: string,
		files: readonly string[],
	): Promise<readonly { readonly file: string; readonly path: string }[]> {
		await this.#loaded
		const id = digestOf(uploadId)
		const { pieces: there } = await this.#look(id)
		const missing = files.filter((file) => !there.has(FILE_PREFIX + file))
		if (missing.length > 0) {
			throw invalidValue(
				'files',
				'files that have all arrived',
				`no ${missing.slice(0, 8).join(', ')}`,
			)
		}
		return files.map((file) => ({ file, path: join(this.#root, id, FILE_PREFIX + file) }))
	}

	/** What became of an upload that was put together within the last hour; else null. */
	async finished(uploadId: string): Promise<FinishedUpload | null> {
		try {
			const path = join(this.#root, digestOf(uploadId), DONE_NAME)
			return JSON.parse(await readFile(path, 'utf8')) as FinishedUpload
		} catch {
			return null
		}
	}

	/** Lets the pieces go. */
	async release(uploadId: string): Promise<void> {
		const id = digestOf(uploadId)
		const { pieces } = await this.#look(id)
		for (const name of pieces.keys()) await rm(join(this.#root, id, name), { force: true })
		await this.#look(id)
	}

	/** Lets an upload go that nobody will ask for again. Never fails. */
	async drop(uploadId: string): Promise<void> {
		await this.#drop(digestOf(uploadId))
		await rmdir(this.#root).catch(() => {})
	}

	/** Lets the pieces go and remembers what became of them, for a sender who asks again. */
	async finish(uploadId: string, result: FinishedUpload): Promise<void> {
		const id = digestOf(uploadId)
		const { handle, path } = await createTemporary(this.#root, id, DONE_NAME)
		await using file = handle
		await file.writeFile(JSON.stringify(result))
		await rename(path, join(this.#root, id, DONE_NAME))
		await this.release(uploadId)
	}

	/** Drops uploads whose last piece came long ago, whoever got it. Never fails. */
	async sweep(): Promise<void> {
		await this.#loaded
		for (const id of new Set([...this.#pending.keys(), ...(await namesIn(this.#root))])) {
			const { pieces, lastMs } = await this.#look(id)
			if (this.#now() - lastMs < PIECES_MS_MAX || !(await this.#clear(id))) continue
			if (pieces.size > 0) {
				this.#options.log(
					'info',
					`an upload of ${pieces.size} pieces was not finished and is dropped`,
				)
			}
			await this.#drop(id)
		}
		await rmdir(this.#root).catch(() => {})
	}

	async #drop(id: string): Promise<void> {
		for (const bytes of this.#pending.get(id)?.pieces.values() ?? []) this.#bytes -= bytes
		this.#pending.delete(id)
		await rm(join(this.#root, id), { recursive: true, force: true }).catch(() => {})
	}

	close(): void {
		clearInterval(this.#timer)
	}

	/** Finds the pieces that a former process or another server has stored. Never fails. */
	async #load(): Promise<void> {
		for (const id of await namesIn(this.#root)) {
			await this.#look(id)
			await this.#clear(id)
		}
	}

	#uploadOf(id: string): PendingUpload {
		const upload = this.#pending.get(id) ?? { pieces: new Map<string, number>(), lastMs: 0 }
		this.#pending.set(id, upload)
		return upload
	}

	/** Brings what is known of an upload up to date: other servers get pieces of it, too. Never fails. */
	async #look(id: string): Promise<PendingUpload> {
		const upload = this.#uploadOf(id)
		const { pieces } = upload
		const before = [...pieces]
		const directory = join(this.#root, id)
		const names = new Set(await namesIn(directory))
		for (const [name, bytes] of before) {
			// A piece that has come meanwhile is not among the names.
			if (names.has(name) || !pieces.delete(name)) continue
			this.#bytes -= bytes
		}
		for (const name of names) {
			if (name === DONE_NAME || name.endsWith(TEMPORARY_SUFFIX) || pieces.has(name)) continue
			const { size } = await stat(join(directory, name)).catch(() => NOTHING)
			this.#bytes += size - (pieces.get(name) ?? 0)
			pieces.set(name, size)
		}
		const { mtimeMs } = await stat(directory).catch(() => NOTHING)
		upload.lastMs = Math.max(upload.lastMs, mtimeMs)
		return upload
	}

	/** Removes what dead processes have begun; false when something is arriving, here or at another server. */
	async #clear(id: string): Promise<boolean> {
		const directory = join(this.#root, id)
		const temporary = (await namesIn(directory)).filter((name) => name.endsWith(TEMPORARY_SUFFIX))
		const areGone = await Promise.all(
			temporary.map((name) => removeAbandoned(join(directory, name))),
		)
		return areGone.every((isGone) => isGone)
	}

	/** A piece must fit beside the others of its upload, and beside all others. */
	#checkRoom({ pieces }: PendingUpload, name: string, bytes: number): void {
		const { bytesMax, totalBytesMax } = this.#options
		let others = 0
		for (const [other, size] of pieces) others += other === name ? 0 : size
		if (others + bytes > bytesMax) throw requestTooLarge(bytesMax)
		if (this.#bytes <= totalBytesMax) return
		const message = 'The pieces of unfinished uploads take all the room they may take.'
		throw new Fault('overloaded', message, { retrySeconds: RETRY_SECONDS })
	}
}

const NOTHING = { size: 0, mtimeMs: 0 }

/** A file for a piece that is arriving, which is locked while it is open; its directories are made, too. */
async function createTemporary(
	root: string,
	id: string,
	name: string,
): Promise<{ readonly handle: FileHandle; readonly path: string }> {
	const directory = join(root, id)
	for (let attempt = 1; ; attempt++) {
		const unique = randomBytes(6).toString('hex')
		const path = join(directory, `${name}.${unique}${TEMPORARY_SUFFIX}`)
		try {
			await makeDirectory(root, 0o700)
			await makeDirectory(directory, 0o700)
			const handle = await createLocked(path)
			if (handle !== null) return { handle, path }
		} catch (error) {
			const isGone = error instanceof Fault || errorCode(error) === 'ENOENT'
			if (!isGone || attempt === ATTEMPTS) throw error
		}
	}
}

async function* readFiles(paths: readonly string[]): AsyncGenerator<Uint8Array> {
	for (const path of paths) {
		for await (const chunk of createReadStream(path)) yield chunk as Uint8Array
	}
}

/** An id may hold anything: as a name it is a digest. */
function digestOf(uploadId: string): string {
	return createHash('sha256').update(uploadId).digest('hex').slice(0, 32)
}
