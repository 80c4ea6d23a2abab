import { join } from 'node:path'
import { fileOfIdentity } from '../formats/byte-source.ts'
import type { CheckpointLocation } from '../load/messages.ts'
import { type Arrival, CHANGED_A_MOMENT_AGO } from './completeness.ts'
import { seenRest } from './rest.ts'
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
	/** A whole version was here, whose file is being written over, or some of whose files are replaced. */
	readonly isRewritten: boolean
	/** Time alone may make it whole, or will tell whether it is: look again after `SETTLE_MS`. */
	readonly isSettling: boolean
}

/** Between the identities of a directory's files. */
export const IDENTITY_SEPARATOR = '|'

/** Where the loader finds a version. */
export function locationOf({ path, files, identity }: CheckpointVersion): CheckpointLocation {
	return files === null
		? { type: 'file', path, identity }
		: { type: 'directory', path, files: zip(files, identity.split(IDENTITY_SEPARATOR)) }
}

/** Where the weights, or the first file of them, stand. */
export function weightsPathOf({ path, files }: Pick<CheckpointVersion, 'path' | 'files'>): string {
	return files === null ? path : join(path, files[0]!)
}

/**
 * Whether the file of that identity, or one of those, is a whole version's that is written over in place;
 * or some of its files are the version's and others are new, so that more of them may come.
 */
function isWrittenOver(known: CheckpointVersion | undefined, identity: string): boolean {
	if (known === undefined || known.identity === identity) return known?.isRewritten ?? false
	if (!known.isRewritten && known.fault !== null) return false
	const before = new Set(known.identity.split(IDENTITY_SEPARATOR))
	const files = new Set([...before].map(fileOfIdentity))
	const all = identity.split(IDENTITY_SEPARATOR)
	const changed = all.filter((each) => !before.has(each))
	const isReplacedInPart = changed.length > 0 && changed.length < all.length
	return isReplacedInPart || changed.some((each) => files.has(fileOfIdentity(each)))
}

/** What is seen of a version before its files are opened. */
type Seen = Pick<
	CheckpointVersion,
	'step' | 'path' | 'files' | 'identity' | 'sizeBytes' | 'mtimeMs'
>

interface Look {
	/** Whether its files are at rest, which are as they are since then by `performance.now()`. */
	readonly hasSettled: (seenSince: number, isRewritten: boolean) => boolean
	/** Opens them; `rewrittenRestMs`: for how long they have rested, where they are written over in place. */
	readonly findArrivalFault: (rewrittenRestMs: number | null) => Promise<Arrival>
}

/** Whether `known` is what is seen now. */
export function isSeenAgain(
	known: CheckpointVersion | undefined,
	{ identity, step }: Pick<Seen, 'identity' | 'step'>,
): known is CheckpointVersion {
	return known?.identity === identity && known.step === step
}

/** What was seen, as a version; `known`, which was seen last, where it is the same. */
export async function lookAgain(
	seen: Seen,
	known: CheckpointVersion | undefined,
	look: Look,
): Promise<CheckpointVersion> {
	const isAgain = isSeenAgain(known, seen)
	const seenSince = isAgain ? known.seenSince : performance.now()
	const isRewritten = isWrittenOver(known, seen.identity)
	const arrival = look.hasSettled(seenSince, isRewritten)
		? await look.findArrivalFault(isRewritten ? seenRest(seenSince) : null)
		: CHANGED_A_MOMENT_AGO
	const version: CheckpointVersion = { ...seen, seenSince, isRewritten, ...arrival }
	return isAgain && Bun.deepEquals(known, version) ? known : version
}

function zip(names: readonly string[], identities: readonly string[]) {
	return names.map((name, i) => ({ name, identity: identities[i]! }))
}
