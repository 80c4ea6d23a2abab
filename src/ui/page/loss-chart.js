import { create, createSvg } from './dom.js'

/** @typedef {{ step: number, value: number }} Point */

const WIDTH = 860
const HEIGHT = 300
const MARGIN = { top: 12, right: 14, bottom: 30, left: 44 }

/**
 * Three to six round numbers that span a range.
 * @param {number} low
 * @param {number} high
 */
function ticks(low, high) {
	const span = high - low || 1
	const power = 10 ** Math.floor(Math.log10(span / 4))
	const step =
		[1, 2, 5, 10].map((factor) => factor * power).find((size) => span / size <= 6) ?? span
	const first = Math.ceil(low / step)
	return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step)
}

/**
 * The points of one series that can be drawn.
 * @param {import('./api.js').MetricsPoint[]} metrics
 * @param {'loss' | 'valLoss'} name
 * @returns {Point[]}
 */
function series(metrics, name) {
	return metrics.flatMap((point) => {
		const value = point[name]
		return Number.isFinite(point.step) && typeof value === 'number' && Number.isFinite(value)
			? [{ step: point.step, value }]
			: []
	})
}

/**
 * Training and validation loss over the steps; null when there is nothing to draw.
 * @param {import('./api.js').MetricsPoint[]} metrics
 */
export function lossChart(metrics) {
	const training = series(metrics, 'loss')
	const validation = series(metrics, 'valLoss')
	const all = [...training, ...validation]
	if (all.length < 2) return null
	const steps = all.map(({ step }) => step)
	const values = all.map(({ value }) => value)
	const [stepMin, stepMax] = [Math.min(...steps), Math.max(...steps)]
	const [low, high] = [Math.min(...values), Math.max(...values)]
	const plotWidth = WIDTH - MARGIN.left - MARGIN.right
	const plotHeight = HEIGHT - MARGIN.top - MARGIN.bottom
	const x = (/** @type {number} */ step) =>
		MARGIN.left + ((step - stepMin) / (stepMax - stepMin || 1)) * plotWidth
	const y = (/** @type {number} */ value) =>
		MARGIN.top + ((high - value) / (high - low || 1)) * plotHeight
	const path = (/** @type {Point[]} */ points) =>
		points
			.map(
				({ step, value }, i) =>
					`${i === 0 ? 'M' : 'L'}${x(step).toFixed(1)} ${y(value).toFixed(1)}`,
			)
			.join('')

	const svg = createSvg('svg', {
		viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
		role: 'img',
		'aria-label': `Loss from step ${stepMin} to ${stepMax}`,
	})
	for (const value of ticks(low, high)) {
		svg.append(
			createSvg('line', {
				class: 'grid',
				x1: MARGIN.left,
				x2: WIDTH - MARGIN.right,
				y1: y(value),
				y2: y(value),
			}),
			createSvg(
				'text',
				{ x: MARGIN.left - 8, y: y(value) + 4, 'text-anchor': 'end' },
				String(Number(value.toPrecision(3))),
			),
		)
	}
	for (const step of ticks(stepMin, stepMax)) {
		svg.append(
			createSvg(
				'text',
				{ x: x(step), y: HEIGHT - 8, 'text-anchor': 'middle' },
				step.toLocaleString('en'),
			),
		)
	}
	svg.append(createSvg('path', { class: 'training', d: path(training) }))
	svg.append(createSvg('path', { class: 'validation', d: path(validation) }))
	for (const { step, value } of validation) {
		svg.append(createSvg('circle', { class: 'validation', cx: x(step), cy: y(value), r: 2.5 }))
	}
	const cursor = createSvg('line', { class: 'cursor', y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom })
	cursor.setAttribute('visibility', 'hidden')
	svg.append(cursor)

	const caption = create('figcaption')
	const legend = () =>
		caption.replaceChildren(
			create('span', { class: 'training' }, 'training'),
			...(validation.length > 0 ? [create('span', { class: 'validation' }, 'validation')] : []),
			'loss in nats per token',
		)
	legend()
	svg.addEventListener('pointermove', (event) => {
		const box = svg.getBoundingClientRect()
		const at = ((event.clientX - box.left) / box.width) * WIDTH
		const step = stepMin + ((at - MARGIN.left) / plotWidth) * (stepMax - stepMin)
		const near = nearest(training, step) ?? nearest(validation, step)
		if (near === undefined) return
		cursor.setAttribute('x1', String(x(near.step)))
		cursor.setAttribute('x2', String(x(near.step)))
		cursor.setAttribute('visibility', 'visible')
		const measured = validation.find(({ step: other }) => other === near.step)
		caption.replaceChildren(
			`step ${near.step.toLocaleString('en')}`,
			create('span', { class: 'training' }, near.value.toFixed(4)),
			...(measured ? [create('span', { class: 'validation' }, measured.value.toFixed(4))] : []),
		)
	})
	svg.addEventListener('pointerleave', () => {
		cursor.setAttribute('visibility', 'hidden')
		legend()
	})
	return create('figure', { class: 'chart' }, svg, caption)
}

/**
 * @param {Point[]} points
 * @param {number} step
 * @returns {Point | undefined}
 */
function nearest(points, step) {
	/** @type {Point | undefined} */
	let best
	for (const point of points) {
		if (best === undefined || Math.abs(point.step - step) < Math.abs(best.step - step)) best = point
	}
	return best
}
