const MIB = 2 ** 20

/** Below this much memory what garbage takes is worth more than the time to collect it. */
const SMALL_MEMORY_BYTES = 512 * MIB
/** What the heaps take the machine to have, as a share of what there is: from half of it on they grow by a quarter. */
const HEAP_SHARE = 1 / 4

/** Bun reads these when it starts and never again. */
const HEAP_VARIABLE = 'BUN_JSC_forceRAMSize'
/** Milliseconds until freed pages are given back; by default 100. */
const PURGE_VARIABLE = 'MIMALLOC_PURGE_DELAY'

/**
 * Variables with which a process with so much memory must be started for its heaps to stay small; null where it was,
 * or where there is enough.
 */
export function smallHeap(
	memoryBytes: number,
	env: Readonly<Record<string, string | undefined>>,
): Record<string, string> | null {
	if (memoryBytes >= SMALL_MEMORY_BYTES || env[HEAP_VARIABLE] !== undefined) return null
	return {
		[HEAP_VARIABLE]: `${Math.floor(memoryBytes * HEAP_SHARE)}`,
		[PURGE_VARIABLE]: env[PURGE_VARIABLE] ?? '0',
	}
}
