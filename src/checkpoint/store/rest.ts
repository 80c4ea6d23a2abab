/** Whether a file has stopped changing. */
import type { FileState } from './files.ts'

/** A file is at rest when it has not changed for this long. */
export const SETTLE_MS = 1000

/** Milliseconds for which a state of a file that was first seen then, by `performance.now()`, has stayed. */
export function seenRest(seenSince: number): number {
	return performance.now() - seenSince
}

/**
 * Nothing was written for a while, by ctime where the clock is sound, else as we saw it. Or the last
 * change was none of its bytes, as of whoever writes elsewhere and then gives the file its name or its
 * times.
 */
export function hasSettled(state: FileState, seenSince: number): boolean {
	if (!state.endsWithWrite) return true
	return Math.max(Date.now() - state.ctimeMs, seenRest(seenSince)) >= SETTLE_MS
}
