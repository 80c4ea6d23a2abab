import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/** Opens a file for reading if it is a regular one: no link is followed, no FIFO waited for. */
export async function openRegularFile(path: string): Promise<FileHandle> {
	const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
	const file = await open(path, flags)
	try {
		if (!(await file.stat()).isFile()) throw new Error('expected a regular file')
		return file
	} catch (error) {
		await file.close()
		throw error
	}
}

/** Reads a small regular file whole. Throws when it is larger than `bytesMax`. */
export async function readSmallFile(path: string, bytesMax: number): Promise<Buffer> {
	await using file = await openRegularFile(path)
	const { size } = await file.stat()
	if (size > bytesMax) throw new Error(`expected at most ${bytesMax} bytes, got ${size}`)
	return file.readFile()
}

/** Makes the names in a directory last through a loss of power. */
export async function syncDirectory(path: string): Promise<void> {
	await using directory = await open(path, 'r')
	await directory.sync()
}
