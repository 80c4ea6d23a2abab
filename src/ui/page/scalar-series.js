/** What a training log tells, as lines of a chart. */

/** @typedef {import('./api.js').MetricsPoint} Point */

/** No measurements, or the same under another name. */
const NO_SCALARS = new Set(['step', 'val_loss', 'grad_norm', 'elapsed_ms'])

const NAMES = new Map([
	['loss', 'Loss'],
	['valLoss', 'Validation loss'],
	['lr', 'Learning rate'],
	['gradNorm', 'Gradient norm'],
	['tokens_per_sec', 'Tokens per second'],
	['ms_per_iter', 'Step time, ms'],
])

/**
 * The numbers that a log has, those that everybody looks at first.
 * @param {readonly Point[]} points
 * @returns {{ key: string, label: string }[]}
 */
export function scalarsOf(points) {
	/** @type {Set<string>} */
	const keys = new Set()
	for (const point of points) {
		for (const [key, value] of Object.entries(point)) if (typeof value === 'number') keys.add(key)
	}
	const known = [...NAMES.keys()].filter((key) => keys.has(key))
	const others = [...keys].filter((key) => !NAMES.has(key) && !NO_SCALARS.has(key)).sort()
	return [...known, ...others].map((key) => ({
		key,
		label: NAMES.get(key) ?? key.replaceAll('_', ' '),
	}))
}

/**
 * A log in its parts: where the steps go back, a training was started again from an older checkpoint.
 * @param {readonly Point[]} points in file order
 * @returns {Point[][]} the last one is what the run became
 */
export function partsOfTraining(points) {
	/** @type {Point[][]} */
	const parts = []
	let last = Number.POSITIVE_INFINITY
	for (const point of points) {
		if (!Number.isFinite(point.step)) continue
		if (point.step < last) parts.push([])
		parts.at(-1)?.push(point)
		last = point.step
	}
	return parts
}

/**
 * Exponential moving average that is right from the first value on, as TensorBoard draws it.
 * @param {readonly (number | null)[]} values
 * @param {number} weight of what was before, 0 … 1
 */
export function smoothed(values, weight) {
	let sum = 0
	let norm = 0
	return values.map((value) => {
		if (value === null) return null
		sum = sum * weight + value * (1 - weight)
		norm = norm * weight + (1 - weight)
		return sum / norm
	})
}

/**
 * A range that shows the course: single spikes far outside of what the rest does are cut off.
 * @param {readonly number[]} values
 * @returns {[low: number, high: number] | null} null for no values
 */
export function robustRange(values) {
	if (values.length === 0) return null
	const sorted = values.toSorted((a, b) => a - b)
	const at = (/** @type {number} */ share) => sorted[Math.round((sorted.length - 1) * share)] ?? 0
	const [low, high] = [at(0.01), at(0.98)]
	const room = (high - low) * 0.5
	return [Math.max(at(0), low - room), Math.min(at(1), high + room)]
}
