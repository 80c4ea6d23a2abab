/** Counters of the engine, cheap to read at any time from any thread. */
export interface EngineStats {
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
] as const satisfies readonly (keyof EngineStats)[]

/** Reads the counters that the worker last wrote. */
export function readStats(shared: Float64Array): EngineStats {
	const entries = STATS_FIELDS.map((field, i) => [field, shared[i] ?? 0])
	return Object.fromEntries(entries) as Record<(typeof STATS_FIELDS)[number], number>
}

/** Adds the counters of one model to totals in the order of `STATS_FIELDS`. */
export function addStats(totals: Float64Array, stats: EngineStats): void {
	for (const [i, field] of STATS_FIELDS.entries()) totals[i]! += stats[field]
}
