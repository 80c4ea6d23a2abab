const MIB = 2 ** 20

/** What the process takes by itself: code, heaps of its threads, what was read of files. */
const OWN_BYTES = 112 * MIB

/** Default of `--kv-memory`, smallest and largest: a quarter of the budget for models bounds it, too. */
const DEFAULT_KV_BYTES_MIN = 512 * MIB
const DEFAULT_KV_BYTES_MAX = 1024 * MIB
/** Largest part of the budget for models that one model gets for keys and values because there is much of it. */
const KV_SHARE = 1 / 8

/** How much each buffer may take, in bytes. */
export interface MemoryBudgets {
	/** Default of `--model-memory`: weights, keys, values and activations. */
	readonly modelBytes: number
	/** Bodies of requests that are read, wait or run. */
	readonly bodiesBytes: number
	/** Long answers, until they have left. */
	readonly answersBytes: number
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
		answersBytes: Math.min(128 * MIB, share),
		reportsBytes: Math.min(128 * MIB, share),
		backlogBytes: Math.min(64 * MIB, share),
	}
}

/**
 * Default of `--kv-memory`: more where much is left for other models. Streams that run beyond the context need half
 * as much again as within it, or they pause to read what they keep.
 */
export function kvBudget(memoryBytes: number): number {
	const share = Math.floor(memoryBudgets(memoryBytes).modelBytes * KV_SHARE)
	return Math.max(DEFAULT_KV_BYTES_MIN, Math.min(DEFAULT_KV_BYTES_MAX, share))
}
