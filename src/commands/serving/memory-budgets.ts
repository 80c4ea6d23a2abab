const MIB = 2 ** 20

/** What the process takes by itself: code, heaps of its threads, what was read of files. */
const OWN_BYTES = 112 * MIB

/** How much each buffer may take, in bytes. */
export interface MemoryBudgets {
	/** Default of `--model-memory`: weights, keys, values and activations. */
	readonly modelBytes: number
	/** Bodies of requests that are read, wait or run. */
	readonly bodiesBytes: number
	/** Reports of trainers that are being read. */
	readonly reportsBytes: number
	/** Generated and not yet read. */
	readonly backlogBytes: number
}

/**
 * Shares of the memory that this process may use, which together leave room for itself: where a control
 * group sets a limit, its end is never the kernel's decision.
 */
export function memoryBudgets(memoryBytes: number): MemoryBudgets {
	const share = Math.floor(memoryBytes / 16)
	const modelBytes = Math.floor((memoryBytes - OWN_BYTES) / 2)
	return {
		modelBytes: Math.max(MIB, modelBytes),
		bodiesBytes: Math.min(64 * MIB, share),
		reportsBytes: Math.min(128 * MIB, share),
		backlogBytes: Math.min(64 * MIB, share),
	}
}
