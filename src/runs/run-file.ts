import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { openRegularFile } from '../checkpoint/store/files.ts'
import { isSafeName } from '../checkpoint/store/names.ts'

/** A file of a run as it was when it was looked at. */
export interface RunFile {
	readonly sizeBytes: number
	/** Its bytes. The file is open only from the first one that is asked for to the last. */
	read(): AsyncGenerator<Uint8Array, void>
}

const CHUNK_BYTES = 2 ** 18
const NEWLINE = 0x0a

/**
 * Looks at a file of the run directory `path`; null where there is none of that name. Of logs only whole
 * lines are there: the last one may be being written.
 */
export async function findRunFile(path: string, name: string): Promise<RunFile | null> {
	if (!isSafeName(name)) return null
	const filePath = join(path, name)
	const file = await openRegularFile(filePath).catch(() => null)
	if (file === null) return null
	await using closing = file
	const { size, ino } = await closing.stat()
	const sizeBytes = name.endsWith('.jsonl') ? await endOfLines(closing, size) : size
	return { sizeBytes, read: () => readChunks(filePath, ino, sizeBytes) }
}

async function* readChunks(path: string, inode: number, sizeBytes: number) {
	await using file = await openRegularFile(path)
	if ((await file.stat()).ino !== inode) throw new Error(`${path} has been replaced`)
	for (let position = 0; position < sizeBytes; ) {
		const buffer = new Uint8Array(Math.min(CHUNK_BYTES, sizeBytes - position))
		const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
		if (bytesRead === 0) throw new Error(`${path} has become shorter`)
		position += bytesRead
		yield buffer.subarray(0, bytesRead)
	}
}

/** Where the last whole line ends. */
async function endOfLines(file: FileHandle, size: number): Promise<number> {
	for (let end = size; end > 0; ) {
		const start = Math.max(0, end - CHUNK_BYTES)
		const buffer = new Uint8Array(end - start)
		await file.read(buffer, 0, buffer.length, start)
		const newline = buffer.lastIndexOf(NEWLINE)
		if (newline !== -1) return start + newline + 1
		end = start
	}
	return 0
}
