/** Numbers and times of a training as people read them. */

const whole = new Intl.NumberFormat('en')
const compact = new Intl.NumberFormat('en', { maximumFractionDigits: 1, notation: 'compact' })
const clock = new Intl.DateTimeFormat('en-GB', {
	hour: '2-digit',
	minute: '2-digit',
	second: '2-digit',
})

/** @param {number | null} value */
export function formatLoss(value) {
	return value === null ? '–' : value.toFixed(4)
}

/** @param {number} value */
export function formatWhole(value) {
	return whole.format(value)
}

/** @param {number} value */
export function formatCompact(value) {
	return compact.format(value)
}

/**
 * Any number with about four digits.
 * @param {number} value
 */
export function formatValue(value) {
	const size = Math.abs(value)
	if (size >= 1e6) return compact.format(value)
	if (size >= 1000) return whole.format(Math.round(value))
	if (size !== 0 && size < 0.001) return value.toExponential(2)
	return String(Number(value.toPrecision(4)))
}

/** @param {number} seconds */
export function formatDuration(seconds) {
	if (seconds < 90) return `${Math.round(seconds)} s`
	if (seconds < 5400) return `${Math.round(seconds / 60)} min`
	if (seconds < 129_600) return `${(seconds / 3600).toFixed(1)} h`
	return `${Math.round(seconds / 86_400)} days`
}

/** @param {string} iso */
export function formatAgo(iso) {
	const time = Date.parse(iso)
	if (!(time > 0)) return ''
	const seconds = (Date.now() - time) / 1000
	return seconds < 5 ? 'now' : `${formatDuration(seconds)} ago`
}

/** @param {string} iso */
export function formatClock(iso) {
	const time = Date.parse(iso)
	return Number.isNaN(time) ? '' : clock.format(time)
}

/** @param {number} bytes */
export function formatBytes(bytes) {
	const units = ['bytes', 'kB', 'MB', 'GB']
	const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
	return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}
