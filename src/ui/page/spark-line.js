/** The course of a loss in the room of a word. */
import { createSvg } from './dom.js'

const WIDTH = 96
const HEIGHT = 26

/**
 * A line through the values; the scale leaves out the highest twentieth, so that a spike is a spike.
 * @param {number[]} values
 */
export function sparkLine(values) {
	const svg = createSvg('svg', {
		class: 'spark',
		viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
		'aria-hidden': 'true',
	})
	if (values.length < 2) return svg
	const sorted = values.toSorted((a, b) => a - b)
	const low = sorted[0] ?? 0
	const high = sorted[Math.floor((sorted.length - 1) * 0.95)] ?? low
	const points = values.map((value, i) => {
		const x = (i / (values.length - 1)) * (WIDTH - 2) + 1
		const share = Math.min(1, (value - low) / (high - low || 1))
		return `${x.toFixed(1)} ${(HEIGHT - 2 - share * (HEIGHT - 4)).toFixed(1)}`
	})
	svg.append(createSvg('path', { d: `M${points.join('L')}` }))
	return svg
}
