import { errorCode } from './errors.ts'
import { Fault, type FaultKind } from './fault.ts'

/** Until somebody has repaired what stands in the way. */
const REPAIR_SECONDS = 60
/** Until what others hold may be free again. */
const RELEASE_SECONDS = 2

type Told = readonly [kind: FaultKind, message: string, retrySeconds?: number]

const FULL: Told = ['disk-full', 'There is not enough room on the disk.']
const READ_ONLY: Told = ['not-writable', 'The checkpoints directory is read-only.', REPAIR_SECONDS]
const FORBIDDEN: Told = [
	'not-writable',
	'The server has no permission for its checkpoints directory.',
	REPAIR_SECONDS,
]
const NO_DIRECTORY: Told = [
	'not-writable',
	'Where the checkpoints directory should be there is something else.',
	REPAIR_SECONDS,
]
const FAILING: Told = [
	'not-writable',
	'The checkpoints directory cannot be used at the moment.',
	REPAIR_SECONDS,
]
const SHORT: Told = ['not-writable', 'The server is short of resources.', RELEASE_SECONDS]

/** What the system's codes of failed calls come to. */
const TOLD: Readonly<Record<string, Told>> = {
	ENOSPC: FULL,
	EDQUOT: FULL,
	EFBIG: FULL,
	EROFS: READ_ONLY,
	EACCES: FORBIDDEN,
	EPERM: FORBIDDEN,
	ENOTDIR: NO_DIRECTORY,
	EIO: FAILING,
	ESTALE: FAILING,
	ETIMEDOUT: FAILING,
	EMFILE: SHORT,
	ENFILE: SHORT,
	ENOMEM: SHORT,
}

/** A failed call to the file system as what clients are told; null for every other error. */
export function storageFault(error: unknown): Fault | null {
	if (error instanceof Fault || !(error instanceof Error) || !('syscall' in error)) return null
	const told = TOLD[errorCode(error)]
	if (told === undefined) return null
	const [kind, message, retrySeconds] = told
	return new Fault(kind, message, { cause: error, ...(retrySeconds && { retrySeconds }) })
}
