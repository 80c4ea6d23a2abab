/** Counters of the engine, cheap to read at any time. */
export interface EngineStats {
	readonly running: number
	readonly waiting: number
	readonly promptTokensTotal: number
	readonly cachedTokensTotal: number
	readonly generatedTokensTotal: number
	readonly stepsTotal: number
	readonly kvBlocksUsed: number
	readonly kvBlocksTotal: number
}
