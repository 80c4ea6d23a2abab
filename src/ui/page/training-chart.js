/** One chart over the steps of one or several runs, on a canvas by uPlot. */
import { create } from './dom.js'
import { formatValue, formatWhole } from './training-format.js'
// @ts-expect-error: the server puts the package's file beside the page
import Plot from './uplot.js'

/**
 * @typedef {{ label: string, color: string, isSparse?: boolean, isDashed?: boolean,
 *   points: import('./training-feed.js').Point[], value: (point: import('./training-feed.js').Point) => number | null }} Line
 */

/** Charts of a page share their cursor. */
const SYNC_KEY = 'training'

export class StepChart {
	element
	#title
	#height
	#isLogarithmic
	#canvas = create('div', { class: 'plot' })
	#legend = create('span', { class: 'legend' })
	/** @type {any} */
	#plot = null
	#shape = ''
	/** @type {Line[]} */
	#lines = []
	/** @type {number[]} */
	#steps = []
	/** @type {(number | null)[][]} */
	#columns = []

	/**
	 * @param {string} title
	 * @param {number} height
	 * @param {boolean} [isLogarithmic] for values that fall by orders of magnitude
	 */
	constructor(title, height, isLogarithmic = false) {
		this.#title = title
		this.#height = height
		this.#isLogarithmic = isLogarithmic
		const caption = create('figcaption', {}, create('b', {}, title), this.#legend)
		this.element = create(
			'figure',
			{ class: 'step-chart', 'data-chart': title },
			caption,
			this.#canvas,
		)
		new ResizeObserver(() => this.#resize()).observe(this.#canvas)
		// Colours are resolved when a chart is made: it is made again when the theme changes.
		matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#remake())
		new MutationObserver(() => this.#remake()).observe(document.documentElement, {
			attributeFilter: ['data-theme'],
		})
	}

	/**
	 * Draws lines; false when there is nothing to draw.
	 * @param {Line[]} lines
	 */
	draw(lines) {
		this.#lines = lines
		const steps = new Set(lines.flatMap(({ points }) => points.map(({ step }) => step)))
		this.#steps = [...steps].sort((a, b) => a - b)
		this.#columns = lines.map(({ points, value }) => {
			const values = new Map(points.map((point) => [point.step, value(point)]))
			return this.#steps.map((step) => values.get(step) ?? null)
		})
		const hasValues = this.#columns.some((column) => column.some((value) => value !== null))
		this.element.hidden = !hasValues
		if (!hasValues) return false
		const shape = lines.map(({ label, color }) => `${label} ${color}`).join()
		if (shape !== this.#shape || this.#plot === null) this.#make(shape)
		else this.#plot.setData([this.#steps, ...this.#columns])
		this.#showLegend(null)
		return true
	}

	#remake() {
		if (this.#plot !== null) this.#make(this.#shape)
	}

	/** @param {string} shape */
	#make(shape) {
		this.#plot?.destroy()
		this.#shape = shape
		const faint = resolveColor('--faint')
		const grid = { stroke: resolveColor('--line'), width: 1 }
		const axis = { stroke: faint, grid, ticks: { show: false }, font: '11px system-ui, sans-serif' }
		this.#plot = new Plot(
			{
				width: this.#canvas.clientWidth || 300,
				height: this.#height,
				legend: { show: false },
				cursor: { sync: { key: SYNC_KEY }, drag: { x: true, y: false }, points: { size: 6 } },
				scales: { x: { time: false }, y: this.#isLogarithmic ? { distr: 3 } : {} },
				axes: [
					{
						...axis,
						size: 28,
						values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map(formatWhole),
					},
					{
						...axis,
						size: 58,
						// Of a logarithmic axis not every line has a number.
						values: (/** @type {any} */ _, /** @type {(number | null)[]} */ ticks) =>
							ticks.map((tick) => (tick === null ? '' : formatValue(tick))),
					},
				],
				series: [
					{},
					...this.#lines.map(({ label, color, isSparse = false, isDashed = false }) => ({
						label,
						stroke: resolveColor(color),
						width: 1.5,
						spanGaps: true,
						...(isDashed ? { dash: [5, 4] } : {}),
						points: { show: isSparse, size: 5, fill: resolveColor(color) },
					})),
				],
				hooks: {
					setCursor: [(/** @type {any} */ plot) => this.#showLegend(plot.cursor.idx)],
				},
			},
			[this.#steps, ...this.#columns],
			this.#canvas,
		)
		this.#canvas.querySelector('canvas')?.setAttribute('aria-label', this.#title)
	}

	#resize() {
		const width = this.#canvas.clientWidth
		if (this.#plot !== null && width > 0) this.#plot.setSize({ width, height: this.#height })
	}

	/**
	 * The values at a place, or the last ones.
	 * @param {number | null | undefined} index
	 */
	#showLegend(index) {
		const at = index ?? null
		this.#legend.replaceChildren(
			...(at === null ? [] : [`step ${formatWhole(this.#steps[at] ?? 0)}`]),
			...this.#lines.flatMap(({ label, color }, i) => {
				const column = this.#columns[i] ?? []
				const value = at === null ? column.findLast((each) => each !== null) : column[at]
				if (value === null || value === undefined) return []
				const mark = create('i')
				mark.style.background = `var(${color})`
				const name = this.#lines.length > 1 ? `${label} ` : ''
				return [create('span', {}, mark, `${name}${formatValue(value)}`)]
			}),
		)
	}
}

/**
 * The colour that a custom property stands for in the present theme: a canvas knows no properties.
 * @param {string} property
 */
function resolveColor(property) {
	const probe = create('span')
	probe.style.color = `var(${property})`
	document.body.append(probe)
	const { color } = getComputedStyle(probe)
	probe.remove()
	return color
}
