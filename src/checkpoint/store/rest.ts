/** Whether a file has stopped changing. */
import type { FileState } from './files.ts'

/** A file is at rest when it has not changed for this long. */
export const SETTLE_MS = 1000

/** Milliseconds for which a file has not changed: by ctime where the clock is sound, else as we saw it. */
export function restOf({ ctimeMs }: FileState, seenSince: number): number {
	return Math.max(Date.now() - ctimeMs, performance.now() - seenSince)
}

/**
 * Nothing was written for a while. Or the last change was none of its bytes, as of whoever writes
 * elsewhere and then gives the file its name or its times.
 */
export function hasSettled(state: FileState, seenSince: number): boolean {
	return !state.endsWithWrite || restOf(state, seenSince) >= SETTLE_MS
}
