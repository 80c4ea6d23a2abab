/** Middle value; of an even count the mean of the two in the middle. NaN of nothing. */
export function median(samples: readonly number[]): number {
	return quantile(samples, 0.5)
}

/** NaN of nothing. */
export function mean(samples: readonly number[]): number {
	return samples.reduce((sum, sample) => sum + sample, 0) / samples.length
}

/** Value below which the share `q` of the samples lies, interpolated. NaN of nothing. */
export function quantile(samples: readonly number[], q: number): number {
	const sorted = [...samples].sort((a, b) => a - b)
	const at = (sorted.length - 1) * q
	const below = sorted[Math.floor(at)] ?? Number.NaN
	const above = sorted[Math.ceil(at)] ?? Number.NaN
	return below + (above - below) * (at - Math.floor(at))
}

/** Distance between the quartiles as a share of the median: half of the samples lie within it. */
export function spread(samples: readonly number[]): number {
	return (quantile(samples, 0.75) - quantile(samples, 0.25)) / Math.abs(median(samples))
}

/** Seconds that `work` takes. */
export function secondsOf(work: () => void): number {
	const start = performance.now()
	work()
	return (performance.now() - start) / 1000
}

/** Mean seconds of one call, over as many calls as fit into `secondsMin`. */
export function meanSeconds(secondsMin: number, work: () => void): number {
	let calls = 0
	const seconds = secondsOf(() => {
		const end = performance.now() + secondsMin * 1000
		do {
			work()
			calls++
		} while (performance.now() < end)
	})
	return seconds / calls
}

/** Mean of what `measure` returns, over as many calls as make up `seconds`. */
export function meanUntil(seconds: number, measure: () => number): number {
	let sum = 0
	let calls = 0
	while (sum < seconds) {
		sum += measure()
		calls++
	}
	return sum / calls
}
