/*
 * A file that is being fetched, in pieces at the same time, and beside it what is here of each: whoever
 * opens it again goes on from there.
 */
import { createReadStream } from 'node:fs'
import { type FileHandle, open, readFile, rm, writeFile } from 'node:fs/promises'
import { lookAt } from '../checkpoint/store/files.ts'
import { isRecord } from '../lib/json.ts'

/** Of a piece, in bytes. */
export const PIECE_BYTES = 8 * 2 ** 20

/** Of the note beside a file; no name of a run's file ends so. */
const NOTE_SUFFIX = '~'

/** Bytes that are not here yet, of one piece. */
export interface Gap {
	readonly from: number
	/** Behind the last. */
	readonly to: number
}

export class PartialFile implements AsyncDisposable {
	readonly #path: string
	readonly #handle: FileHandle
	readonly #bytes: number
	/** Bytes of each piece that are here, from its beginning. */
	#done: number[]
	#etag: string | null

	private constructor(path: string, handle: FileHandle, bytes: number, note: Note | null) {
		this.#path = path
		this.#handle = handle
		this.#bytes = bytes
		this.#done = note?.done ?? emptyPieces(bytes)
		this.#etag = note?.etag ?? null
	}

	/** Opens what is there of a file that will have `bytes` bytes. */
	static async open(path: string, bytes: number): Promise<PartialFile> {
		const note = await readNote(path, bytes)
		const isThere = note !== null && (await lookAt(path)).type === 'file'
		const handle = await open(path, isThere ? 'r+' : 'w+', 0o600)
		return new PartialFile(path, handle, bytes, isThere ? note : null)
	}

	/** The version that the bytes are of; null where none was told. */
	get etag(): string | null {
		return this.#etag
	}

	set etag(etag: string | null) {
		this.#etag = etag
	}

	get bytesHere(): number {
		return this.#done.reduce((sum, done) => sum + done, 0)
	}

	gaps(): Gap[] {
		return this.#done.flatMap((done, index) => {
			const from = index * PIECE_BYTES + done
			const to = Math.min(this.#bytes, (index + 1) * PIECE_BYTES)
			return from < to ? [{ from, to }] : []
		})
	}

	/** Writes bytes that follow what is here of their first piece. */
	async write(bytes: Uint8Array, position: number): Promise<void> {
		for (let at = 0; at < bytes.length; ) {
			const index = Math.floor((position + at) / PIECE_BYTES)
			const length = Math.min(bytes.length - at, (index + 1) * PIECE_BYTES - position - at)
			const { bytesWritten } = await this.#handle.write(bytes, at, length, position + at)
			at += bytesWritten
			this.#done[index] = position + at - index * PIECE_BYTES
		}
	}

	/** Notes what is here. */
	async note(): Promise<void> {
		const note: Note = { etag: this.#etag, done: this.#done }
		await writeFile(this.#path + NOTE_SUFFIX, JSON.stringify(note), { mode: 0o600 })
	}

	/** Forgets everything. */
	async clear(): Promise<void> {
		await rm(this.#path + NOTE_SUFFIX, { force: true })
		this.#done = emptyPieces(this.#bytes)
		this.#etag = null
		await this.#handle.truncate(0)
	}

	/** SHA-256 of all that is here, hex. */
	async digest(): Promise<string> {
		const hash = new Bun.CryptoHasher('sha256')
		for await (const piece of createReadStream(this.#path)) hash.update(piece as Uint8Array)
		return hash.digest('hex')
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.#handle.close()
	}
}

interface Note {
	readonly etag: string | null
	readonly done: number[]
}

function emptyPieces(bytes: number): number[] {
	return new Array<number>(Math.ceil(bytes / PIECE_BYTES)).fill(0)
}

/** Null where nothing is noted, or something that is not of this file. */
async function readNote(path: string, bytes: number): Promise<Note | null> {
	try {
		const note: unknown = JSON.parse(await readFile(path + NOTE_SUFFIX, 'utf8'))
		if (!isRecord(note) || !Array.isArray(note['done'])) return null
		const { etag, done } = note
		const isOfPiece = (count: unknown) =>
			Number.isSafeInteger(count) && Number(count) >= 0 && Number(count) <= PIECE_BYTES
		const isOurs = done.length === Math.ceil(bytes / PIECE_BYTES) && done.every(isOfPiece)
		if (!isOurs || (etag !== null && typeof etag !== 'string')) return null
		return { etag, done: done as number[] }
	} catch {
		return null
	}
}
