import type { CheckpointLocation } from '../load/messages.ts'
import type { RunFault } from './run-fault.ts'

/** One state of a checkpoint file. The object stays the same for as long as the file does. */
export interface CheckpointVersion {
	readonly step: number
	/** A file, or a directory with `files` of another trainer. */
	readonly path: string
	readonly files: readonly string[] | null
	/** Changes whenever the file's bytes may have changed. */
	readonly identity: string
	readonly sizeBytes: number
	/** Epoch milliseconds with fraction. */
	readonly mtimeMs: number
	/** When this state of the file was first seen, by `performance.now()`. */
	readonly seenSince: number
	/** Why the file has not arrived whole, by its ends and length; null when it has. */
	readonly fault: RunFault | null
	/** Somebody has it open for writing. */
	readonly isBeingWritten: boolean
}

/** Between the identities of a directory's files. */
export const IDENTITY_SEPARATOR = '|'

/** Where the loader finds a version. */
export function locationOf({ path, files, identity }: CheckpointVersion): CheckpointLocation {
	return files === null
		? { type: 'file', path, identity }
		: { type: 'directory', path, files: zip(files, identity.split(IDENTITY_SEPARATOR)) }
}

function zip(names: readonly string[], identities: readonly string[]) {
	return names.map((name, i) => ({ name, identity: identities[i]! }))
}
