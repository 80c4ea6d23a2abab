/** Counters of the engine. */
export interface EngineStats extends WorkerStats {
	/** Memory of generated events that no reader has taken yet, in bytes. */
	readonly unreadBytes: number
	/** Generations that had to wait for their reader, and those that were given up. */
	readonly parkedTotal: number
	readonly cutTotal: number
}

/** Counters of the worker, cheap to read at any time from any thread. */
export interface WorkerStats {
	readonly running: number
	readonly waiting: number
	/** Those of them for which there was no room: too many run, or memory for keys and values is used up. */
	readonly withoutRoom: number
	readonly promptTokensTotal: number
	readonly cachedTokensTotal: number
	readonly generatedTokensTotal: number
	readonly stepsTotal: number
	readonly kvBlocksUsed: number
	readonly kvBlocksTotal: number
}

/** Order of the fields in the shared memory that the worker writes. */
export const STATS_FIELDS = [
	'running',
	'waiting',
	'withoutRoom',
	'promptTokensTotal',
	'cachedTokensTotal',
	'generatedTokensTotal',
	'stepsTotal',
	'kvBlocksUsed',
	'kvBlocksTotal',
] as const satisfies readonly (keyof WorkerStats)[]

/** Reads the counters that the worker last wrote. */
export function readStats(shared: Float64Array): WorkerStats {
	const entries = STATS_FIELDS.map((field, i) => [field, shared[i] ?? 0])
	return Object.fromEntries(entries) as Record<(typeof STATS_FIELDS)[number], number>
}

/** Adds the counters of one model to totals in the order of `STATS_FIELDS`. */
export function addStats(totals: Float64Array, stats: WorkerStats): void {
	for (const [i, field] of STATS_FIELDS.entries()) totals[i]! += stats[field]
}
