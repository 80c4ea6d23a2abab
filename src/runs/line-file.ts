/*
 * A file of JSON lines that grows at its end, by us or by a trainer on this machine.
 *
 * What is appended here is on disk when `append` resolves. A crash in mid-write leaves half a line at the
 * end: it is never read as a line, and cut off before the next one is appended.
 */
import { constants, lstatSync, type Stats } from 'node:fs'
import { type FileHandle, lstat, open, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { openRegularFile, syncDirectory } from '../checkpoint/store/files.ts'
import { errorCode } from '../lib/errors.ts'

/** Longest line that is read or written; longer ones are empty to a reader. */
export const LINE_BYTES_MAX = 2 ** 20

/** Bytes that are read between two looks at other work. */
const READ_BYTES = 2 ** 18

const NEWLINE = 0x0a

/** Some lines of a file, in order. */
export interface LineBatch {
	/** The file is not the one that was read before: what was known of it is void. */
	readonly isRestart: boolean
	/** Number of the first line; the file begins with line 1. */
	readonly firstNumber: number
	/** Without line ends. */
	readonly lines: readonly string[]
}

/**
 * What became of lines: `read`: they stand behind those that have been read, and count as read. `added`:
 * they stand among others that have not been read yet. `unread`: nothing was added, because the file has
 * changed since it was read.
 */
export type Appended = 'read' | 'added' | 'unread'

const APPEND_SYNCED = {
	flag:
		constants.O_WRONLY |
		constants.O_CREAT |
		constants.O_APPEND |
		constants.O_NOFOLLOW |
		constants.O_NONBLOCK |
		// Not the option `flush`: Bun passes over a sync that fails.
		constants.O_DSYNC,
	mode: 0o644,
}

/** One writer at a time: the owner must not call `append` while it reads or appends. */
export class LineFile {
	readonly path: string
	/** Device and inode of the file that has been read; '' before that. */
	#identity = ''
	/** Size at the last look, half a line included. */
	#sizeSeen = 0
	/** Bytes of the whole lines that have been read. */
	#offset = 0
	#lineCount = 0
	#changedMs = 0

	constructor(path: string) {
		this.path = path
	}

	/** When it had changed last at the last look, epoch milliseconds; 0 for a file that was not there. */
	get changedMs(): number {
		return this.#changedMs
	}

	/** Whole lines that have been read. */
	get lineCount(): number {
		return this.#lineCount
	}

	/** The whole lines that have not been read yet. A file that does not exist has none. */
	async *readNew(): AsyncGenerator<LineBatch> {
		// Most looks find nothing new, and a look costs less than opening.
		const look = await lstat(this.path).catch(() => null)
		this.#changedMs = look?.mtimeMs ?? 0
		if (look === null ? this.#identity === '' : this.#isAsRead(look)) return
		const file = await openOrNull(this.path)
		if (file === null) {
			if (this.#identity !== '') yield this.#restart('')
			return
		}
		await using closing = file
		const stat = await closing.stat()
		const { size } = stat
		const identity = identityOf(stat)
		if (identity !== this.#identity || size < this.#offset) {
			const isFirst = this.#identity === ''
			const restart = this.#restart(identity)
			if (!isFirst) yield restart
		}
		if (size === this.#sizeSeen) return
		this.#sizeSeen = size
		for await (const { lines, bytes } of wholeLines(closing, this.#offset)) {
			const firstNumber = this.#lineCount + 1
			this.#offset += bytes
			this.#lineCount += lines.length
			if (lines.length > 0) yield { isRestart: false, firstNumber, lines }
		}
	}

	/**
	 * Adds lines, which are on disk when this resolves. Rejects with ENOENT where the directory is
	 * missing, and whenever the lines are not there: what was written of them is cut off again.
	 */
	async append(lines: readonly string[]): Promise<Appended> {
		const look = lookNow(this.path)
		const isNew = look === null
		if (!isNew && !look.isFile()) throw new Error('expected a regular file')
		if (isNew ? this.#identity !== '' : !this.#isAsRead(look)) return 'unread'
		const mended = isNew ? { size: 0, prefix: '' } : await this.#mendEnd(look.size)
		const text = Buffer.from(`${mended.prefix}${lines.join('\n')}\n`)
		try {
			// One call from opening to closing: each one more takes a core from those who compute.
			await writeFile(this.path, text, APPEND_SYNCED)
			if (isNew) await syncDirectory(dirname(this.path))
		} catch (error) {
			await this.#cutOff(mended.size, text.length)
			throw error
		}
		// It has just been written: what is asked for is in memory.
		const after = lstatSync(this.path)
		const isAlone = isNew || identityOf(after) === this.#identity
		if (!isAlone || mended.prefix !== '' || after.size !== mended.size + text.length) return 'added'
		this.#identity = identityOf(after)
		this.#sizeSeen = after.size
		this.#offset = after.size
		this.#lineCount += lines.length
		return 'read'
	}

	/** The last whole lines that `bytes` of the file hold. */
	async *tail(bytes: number): AsyncGenerator<readonly string[]> {
		const file = await openOrNull(this.path)
		if (file === null) return
		await using closing = file
		const start = Math.max(0, this.#offset - bytes)
		let isFirst = true
		for await (const { lines } of wholeLines(closing, start)) {
			// It may begin in the middle of a line.
			yield isFirst && start > 0 ? lines.slice(1) : lines
			isFirst = false
		}
	}

	/** Deals with half a line at the end: cut off, or ended where only its line end is missing. */
	async #mendEnd(size: number): Promise<{ size: number; prefix: string }> {
		if (size === this.#offset) return { size, prefix: '' }
		await using file = await open(this.path, constants.O_RDWR | constants.O_NOFOLLOW)
		const rest = Buffer.alloc(Math.min(size - this.#offset, LINE_BYTES_MAX))
		await file.read(rest, 0, rest.length, this.#offset)
		if (isJson(rest.toString('utf8'))) return { size, prefix: '\n' }
		await file.truncate(this.#offset)
		return { size: this.#offset, prefix: '' }
	}

	/** Takes back an append that failed; whoever sent the lines will send them again. */
	async #cutOff(size: number, bytesMax: number): Promise<void> {
		try {
			await using file = await open(this.path, constants.O_RDWR | constants.O_NOFOLLOW)
			const stat = await file.stat()
			const isSame = this.#identity === '' || identityOf(stat) === this.#identity
			const isOurs = stat.size > size && stat.size <= size + bytesMax
			if (stat.isFile() && isSame && isOurs) await file.truncate(size)
		} catch {
			// What is left is no whole line, or one that a repetition finds.
		}
	}

	#isAsRead(look: Stats): boolean {
		return identityOf(look) === this.#identity && look.size === this.#sizeSeen
	}

	#restart(identity: string): LineBatch {
		this.#identity = identity
		this.#sizeSeen = 0
		this.#offset = 0
		this.#lineCount = 0
		return { isRestart: true, firstNumber: 1, lines: [] }
	}
}

/**
 * The last `count` whole lines of a file, fewer where they take more than `bytesMax`. A file that does
 * not exist has none.
 */
export async function readLastLines(
	path: string,
	count: number,
	bytesMax: number,
): Promise<readonly string[]> {
	const file = await openOrNull(path)
	if (file === null) return []
	await using closing = file
	const { size } = await closing.stat()
	for (let length = Math.min(size, READ_BYTES); ; length = Math.min(size, bytesMax, length * 4)) {
		const buffer = Buffer.alloc(length)
		const { bytesRead } = await closing.read(buffer, 0, length, size - length)
		const text = buffer.subarray(0, bytesRead)
		const from = length === size ? 0 : text.indexOf(NEWLINE) + 1
		const end = text.lastIndexOf(NEWLINE) + 1
		const lines = splitLines(text.subarray(from, Math.max(from, end)))
		if (lines.length >= count || length >= Math.min(size, bytesMax)) return lines.slice(-count)
	}
}

/** All whole lines of a file in batches, from its beginning. A file that does not exist has none. */
export async function* readAllLines(path: string): AsyncGenerator<readonly string[]> {
	const file = await openOrNull(path)
	if (file === null) return
	await using closing = file
	for await (const { lines } of wholeLines(closing, 0)) yield lines
}

async function* wholeLines(
	file: FileHandle,
	from: number,
): AsyncGenerator<{ lines: readonly string[]; bytes: number }> {
	const chunk = Buffer.alloc(READ_BYTES)
	let rest = Buffer.alloc(0)
	/** Bytes of an endless line that have been let go. */
	let skipped = 0
	for (let position = from; ; ) {
		const { bytesRead } = await file.read(chunk, 0, chunk.length, position)
		if (bytesRead === 0) return
		position += bytesRead
		const bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)])
		const end = bytes.lastIndexOf(NEWLINE) + 1
		if (end > 0) {
			const lines = splitLines(bytes.subarray(0, end))
			if (skipped > 0) lines[0] = ''
			yield { lines, bytes: skipped + end }
			skipped = 0
		}
		rest = bytes.subarray(end)
		if (rest.length > LINE_BYTES_MAX) {
			skipped += rest.length
			rest = Buffer.alloc(0)
		}
	}
}

/** Text that ends with a line end, as lines. Carriage returns, which are blanks to JSON, become blanks. */
function splitLines(text: Buffer): string[] {
	const lines = text.toString('utf8').replaceAll('\r', ' ').split('\n')
	lines.pop()
	return lines
}

function isJson(text: string): boolean {
	try {
		JSON.parse(text)
		return true
	} catch {
		return false
	}
}

function identityOf({ dev, ino }: Stats): string {
	return `${dev}:${ino}`
}

/** Not by another thread, which would be woken twice: of a file that grows this is in memory. */
function lookNow(path: string): Stats | null {
	try {
		return lstatSync(path)
	} catch {
		return null
	}
}

async function openOrNull(path: string): Promise<FileHandle | null> {
	try {
		return await openRegularFile(path)
	} catch (error) {
		if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return null
		throw error
	}
}
