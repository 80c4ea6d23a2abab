/** A promise with a number, and how it is measured. */

export interface Measured {
	/** What was measured, in words. */
	readonly measured: string
	readonly isMet: boolean
}

export interface Goal {
	/** How it is asked for alone: `G1` … `G17`, or a word. */
	readonly id: string
	readonly goal: string
	/** Longest time that it may take, in milliseconds; default: that of most. */
	readonly msMax?: number
	/** `scale` 1 is the whole measurement, 0.1 a slice of it. Null: cannot be measured here. */
	measure(scale: number): Promise<Measured | null>
}

/** A goal that other tests hold. */
export function heldBy(id: string, goal: string, tests: string): Goal {
	return { id, goal, measure: async () => ({ measured: `held by ${tests}`, isMet: true }) }
}
