import { type BigIntStats, constants } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, readdir } from 'node:fs/promises'
import { errorCode } from '../../lib/errors.ts'
import { Fault } from '../../lib/fault.ts'
import { identityOf } from '../formats/byte-source.ts'

/** What stands at a path at this moment; links are not followed. */
export type PathState =
	| { readonly type: 'gone' | 'directory' | 'link' | 'other' }
	| FileState
	/** It could not be looked at; `reason` is public. */
	| { readonly type: 'unreadable'; readonly reason: string }

export interface FileState {
	readonly type: 'file'
	/** Changes whenever the file's bytes may have changed. */
	readonly identity: string
	/** The same while a file is written over in place. */
	readonly inode: string
	readonly sizeBytes: number
	/** Epoch milliseconds with fraction. */
	readonly mtimeMs: number
	readonly ctimeMs: number
	/** The last change was one of its bytes, and not of its name, times or mode. */
	readonly endsWithWrite: boolean
}

/** Looks at a path without opening it. */
export async function lookAt(path: string): Promise<PathState> {
	try {
		const stat = await lstat(path, { bigint: true })
		if (stat.isFile()) return fileState(stat)
		if (stat.isDirectory()) return { type: 'directory' }
		return { type: stat.isSymbolicLink() ? 'link' : 'other' }
	} catch (error) {
		const code = errorCode(error)
		if (code === 'ENOENT' || code === 'ENOTDIR') return { type: 'gone' }
		return { type: 'unreadable', reason: `cannot be read (${code})` }
	}
}

export const NOT_FOLLOWED = 'is a symbolic link, which is not followed'

function fileState(stat: BigIntStats): FileState {
	return {
		type: 'file',
		identity: identityOf(stat),
		inode: `${stat.dev}:${stat.ino}`,
		sizeBytes: Number(stat.size),
		mtimeMs: Number(stat.mtimeNs) / 1e6,
		ctimeMs: Number(stat.ctimeNs) / 1e6,
		endsWithWrite: stat.ctimeNs <= stat.mtimeNs,
	}
}

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

/** Makes the names in a directory last through a loss of power; Windows opens no directories. */
export async function syncDirectory(path: string): Promise<void> {
	if (process.platform === 'win32') return
	await using directory = await open(path, 'r')
	await directory.sync()
}

/** What is in a directory; nothing where it cannot be read. */
export async function namesIn(path: string): Promise<string[]> {
	return await readdir(path).catch(() => [])
}

/** Until somebody has brought the directory back. */
const RETURN_SECONDS = 60

/** What those are told who would write where the checkpoints directory is not. */
export function directoryGone(reason: string): Fault {
	const message = `Nothing is stored at the moment: the checkpoints directory ${reason}.`
	return new Fault('not-writable', message, { retrySeconds: RETURN_SECONDS })
}

/**
 * Makes a directory in the checkpoints directory, or in one of its own, unless it is there. What is above it is
 * never made: where a mount has gone, files would be lost to sight below its mount point. Throws Fault
 * `not-writable` then.
 */
export async function makeDirectory(path: string, mode?: number): Promise<void> {
	try {
		await mkdir(path, { mode })
	} catch (error) {
		const code = errorCode(error)
		if (code === 'ENOENT') throw directoryGone('does not exist')
		if (code !== 'EEXIST') throw error
	}
}
