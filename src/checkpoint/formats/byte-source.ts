import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { errorCode } from '../../lib/errors.ts'
import { CheckpointError } from './checkpoint-error.ts'

/** Bytes with positional reads: a checkpoint file, or the one inside the executable. */
export interface ByteSource extends Disposable {
	readonly size: number
	/** Fills `into` with the bytes from `position` on; throws CheckpointError where they do not exist. */
	read(into: Uint8Array, position: number): void
	/** Checks that all that was read came from one state of the file. Throws CheckpointError. */
	expectUnchanged(): void
}

/** Tells two states of a file apart; ctime tells a rewrite whose size and mtime were put back. */
export function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
	return [dev, ino, size, mtimeNs, ctimeNs].join(':')
}

/** What stays the same of an identity while a file is written over in place. */
export function fileOfIdentity(identity: string): string {
	return identity.split(':', 2).join(':')
}

/**
 * Opens a regular file. A symbolic link, a device or a FIFO in its place is refused without being
 * followed or waited for, and so is another state of the file than that of `identity`, where one is
 * given. Throws CheckpointError.
 */
export function openFileSource(path: string, identity?: string): ByteSource {
	const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
	const fd = reading(() => openSync(path, flags))
	try {
		const stat = reading(() => fstatSync(fd, { bigint: true }))
		if (!stat.isFile()) {
			throw new CheckpointError('expected a regular file', { kind: 'unreadable' })
		}
		if (identity !== undefined && identity !== identityOf(stat)) throw changed()
		return fileSource(fd, Number(stat.size), identityOf(stat))
	} catch (error) {
		closeSync(fd)
		throw error
	}
}

function fileSource(fd: number, size: number, identity: string): ByteSource {
	return {
		size,
		read(into, position) {
			checkRange(size, into.byteLength, position)
			for (let done = 0; done < into.byteLength; ) {
				const count = reading(() =>
					readSync(fd, into, done, into.byteLength - done, position + done),
				)
				if (count === 0) {
					throw new CheckpointError('the file became shorter while it was read', {
						kind: 'unreadable',
					})
				}
				done += count
			}
		},
		expectUnchanged() {
			if (identityOf(reading(() => fstatSync(fd, { bigint: true }))) !== identity) throw changed()
		},
		[Symbol.dispose]: () => closeSync(fd),
	}
}

/** A source over bytes in memory, which the caller keeps unchanged. */
export function memorySource(bytes: Uint8Array): ByteSource {
	return {
		size: bytes.byteLength,
		read(into, position) {
			checkRange(bytes.byteLength, into.byteLength, position)
			into.set(bytes.subarray(position, position + into.byteLength))
		},
		expectUnchanged() {},
		[Symbol.dispose]: () => {},
	}
}

function changed(): CheckpointError {
	return new CheckpointError('the file changes', { kind: 'unreadable' })
}

function checkRange(size: number, length: number, position: number): void {
	if (position + length > size) {
		throw new CheckpointError(
			`expected ${length} bytes at offset ${position}, got the end of the file at ${size}`,
		)
	}
}

/** Runs a system call; its error becomes one without a path. */
function reading<T>(call: () => T): T {
	try {
		return call()
	} catch (cause) {
		const code = errorCode(cause) || 'unknown'
		throw new CheckpointError(`the file cannot be read (${code})`, { kind: 'unreadable', cause })
	}
}
