/** A chart over training steps: zoomed, moved and read by pointer or keyboard; checkpoints are chosen in it. */
import { create } from './dom.js'
import { robustRange, smoothed } from './scalar-series.js'
import { formatValue, formatWhole } from './training-format.js'
// @ts-expect-error: the server puts the package's file beside the page
import Plot from './uplot.js'

/**
 * @typedef {{ label: string, color: string, isDashed?: boolean, isPast?: boolean,
 *   points: { step: number, value: number }[] }} Line `isPast`: the training went on from elsewhere
 *
 * @typedef {{ smoothing: number, isLog: boolean, isRobust: boolean, steps: number[], chosenStep: number }} Look
 *   `steps` are those of the checkpoints
 */

const HEIGHT = 320
const HEIGHT_NARROW = 240

/** So close to a mark, in pixels, a click means it. */
const MARK_PIXELS = 9

/** Lines of so few values have them marked: a single one is no line. */
const POINTS_MARKED = 30

const DRAG_PIXELS = 4

const ZOOM = 0.7
const PAN = 0.2

export class ScalarChart {
	element
	#canvas = create('div', { class: 'plot', tabindex: '0', role: 'img' })
	#legend = create('figcaption', {})
	/** @type {any} */
	#plot = null
	#shape = ''
	/** @type {Line[]} */
	#lines = []
	/** @type {Look} */
	#look = { smoothing: 0, isLog: false, isRobust: true, steps: [], chosenStep: -1 }
	/** Steps, then per line its values and its smoothed values. @type {(number | null)[][]} */
	#columns = [[]]
	/** The steps in sight; null for all. @type {[number, number] | null} */
	#zoom = null
	#chooseStep
	/** Where the pointer went down: what moves from there is no click. */
	#pressedAt = 0

	/** @param {(step: number) => void} chooseStep */
	constructor(chooseStep) {
		this.#chooseStep = chooseStep
		this.element = create('figure', { class: 'scalar-chart' }, this.#canvas, this.#legend)
		new ResizeObserver(() => this.#resize()).observe(this.#canvas)
		this.#canvas.addEventListener('keydown', (event) => this.#pressed(event))
		// A canvas knows no custom properties: it is made again when the theme changes.
		const remake = () => {
			if (this.#plot !== null) this.#make()
		}
		matchMedia('(prefers-color-scheme: dark)').addEventListener('change', remake)
		new MutationObserver(remake).observe(document.documentElement, {
			attributeFilter: ['data-theme'],
		})
	}

	/**
	 * @param {string} title
	 * @param {Line[]} lines
	 * @param {Look} look
	 */
	draw(title, lines, look) {
		const shape = JSON.stringify([
			title,
			look.isLog,
			look.smoothing > 0,
			lines.map(({ label, color }) => [label, color]),
		])
		this.#lines = lines
		this.#look = look
		this.#columns = columnsOf(lines, look.smoothing)
		const steps = this.#columns[0] ?? []
		this.#canvas.setAttribute(
			'aria-label',
			`${title} from step ${formatWhole(steps[0] ?? 0)} to ${formatWhole(steps.at(-1) ?? 0)}. Arrow keys move, plus and minus zoom.`,
		)
		if (shape !== this.#shape || this.#plot === null) {
			this.#shape = shape
			this.#make()
		} else {
			this.#plot.setData(this.#columns, this.#zoom === null)
			if (this.#zoom !== null) this.#show(this.#zoom)
		}
		this.#showLegend(null)
	}

	/** Makes the part of the steps in sight smaller or larger. @param {number} factor below 1 for smaller */
	zoom(factor) {
		const [low, high] = this.#seen()
		const [middle, half] = [(low + high) / 2, ((high - low) / 2) * factor]
		this.#show([middle - half, middle + half])
	}

	/** All steps again. */
	reset() {
		this.#zoom = null
		this.#plot?.setData(this.#columns, true)
	}

	#make() {
		this.#plot?.destroy()
		const grid = { stroke: colorOf('--line'), width: 1 }
		const axis = {
			stroke: colorOf('--faint'),
			grid,
			ticks: { show: false },
			font: '11px system-ui, sans-serif',
		}
		const isSmooth = this.#look.smoothing > 0
		this.#plot = new Plot(
			{
				width: this.#canvas.clientWidth || 300,
				height: this.#height(),
				legend: { show: false },
				cursor: {
					drag: { x: true, y: false },
					points: { size: 6 },
					bind: {
						// With Shift the picture moves instead of a part of it being chosen.
						mousedown: (/** @type {any} */ _, /** @type {any} */ __, /** @type {any} */ handle) => {
							return (/** @type {MouseEvent} */ event) => {
								if (event.shiftKey) this.#pan(event)
								else handle(event)
							}
						},
					},
				},
				scales: {
					x: { time: false },
					y: { distr: this.#look.isLog ? 3 : 1, range: () => this.#range() },
				},
				axes: [
					{
						...axis,
						size: 28,
						values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map(formatWhole),
					},
					{
						...axis,
						size: 56,
						values: (/** @type {any} */ _, /** @type {(number | null)[]} */ ticks) =>
							ticks.map((tick) => (tick === null ? '' : formatValue(tick))),
					},
				],
				series: [
					{},
					...this.#lines.flatMap(({ color, points, isDashed = false, isPast = false }) => {
						const stroke = colorOf(color)
						const dash = isDashed || isPast ? { dash: [5, 4] } : {}
						const faint = isSmooth || isPast ? { alpha: 0.3 } : {}
						const line = {
							stroke,
							spanGaps: true,
							points: { show: points.length <= POINTS_MARKED, size: 5, fill: stroke },
							...dash,
						}
						return [
							{ ...line, ...faint, width: isSmooth ? 1 : 1.6 },
							{
								...line,
								points: { show: false },
								show: isSmooth,
								width: 1.8,
								...(isPast ? { alpha: 0.4 } : {}),
							},
						]
					}),
				],
				hooks: {
					setCursor: [(/** @type {any} */ plot) => this.#showLegend(plot.cursor.idx)],
					setScale: [
						(/** @type {any} */ plot, /** @type {string} */ name) => this.#scaled(plot, name),
					],
					draw: [(/** @type {any} */ plot) => this.#drawMarks(plot)],
				},
			},
			this.#columns,
			this.#canvas,
		)
		this.#plot.over.addEventListener('mousedown', (/** @type {MouseEvent} */ event) => {
			this.#pressedAt = event.clientX
		})
		this.#plot.over.addEventListener('click', (/** @type {MouseEvent} */ event) =>
			this.#clicked(event),
		)
		this.#plot.over.addEventListener('wheel', (/** @type {WheelEvent} */ event) => {
			if (!event.ctrlKey && !event.metaKey) return
			event.preventDefault()
			this.zoom(event.deltaY < 0 ? ZOOM : 1 / ZOOM)
		})
		if (this.#zoom !== null) this.#show(this.#zoom)
	}

	/** The values in sight, and a little room. @returns {[number, number]} */
	#range() {
		const [low, high] = this.#seen()
		const { isLog, isRobust } = this.#look
		const steps = this.#columns[0] ?? []
		/** @type {number[]} */
		const values = []
		for (const column of this.#columns.slice(1)) {
			for (const [i, value] of column.entries()) {
				const step = steps[i] ?? 0
				if (value === null || step < low || step > high || (isLog && value <= 0)) continue
				values.push(value)
			}
		}
		const whole = [Math.min(...values), Math.max(...values)]
		const [bottom, top] = (isRobust ? robustRange(values) : null) ?? whole
		if (bottom === undefined || top === undefined || bottom > top) return isLog ? [0.1, 1] : [0, 1]
		if (isLog) return bottom === top ? [bottom / 2, top * 2] : [bottom / 1.05, top * 1.05]
		const room = (top - bottom) * 0.05 || Math.abs(top) * 0.05 || 1
		return [bottom - room, top + room]
	}

	/** The steps in sight. @returns {[number, number]} */
	#seen() {
		const steps = this.#columns[0] ?? []
		return this.#zoom ?? [steps[0] ?? 0, steps.at(-1) ?? 1]
	}

	/** @param {[number, number]} seen */
	#show([low, high]) {
		const steps = this.#columns[0] ?? []
		const [first, last] = [steps[0] ?? 0, steps.at(-1) ?? 1]
		const width = Math.min(high - low, last - first)
		const begin = Math.min(Math.max(first, low), last - width)
		if (width >= last - first) return this.reset()
		this.#zoom = [begin, begin + width]
		this.#plot?.setScale('x', { min: begin, max: begin + width })
	}

	/**
	 * A part was chosen with the pointer, or all of it by a double click.
	 * @param {any} plot
	 * @param {string} name of the scale
	 */
	#scaled(plot, name) {
		if (name !== 'x') return
		const steps = this.#columns[0] ?? []
		const { min, max } = plot.scales.x
		const isWhole = min <= (steps[0] ?? 0) && max >= (steps.at(-1) ?? 0)
		this.#zoom = isWhole || min === null ? null : [min, max]
	}

	/** @param {MouseEvent} begin */
	#pan(begin) {
		begin.preventDefault()
		const [low, high] = this.#seen()
		const perPixel = (high - low) / this.#plot.over.clientWidth
		const ending = new AbortController()
		const { signal } = ending
		const move = (/** @type {MouseEvent} */ event) => {
			const by = (begin.clientX - event.clientX) * perPixel
			this.#show([low + by, high + by])
		}
		addEventListener('mousemove', move, { signal })
		addEventListener('mouseup', () => ending.abort(), { signal })
	}

	/** @param {KeyboardEvent} event */
	#pressed(event) {
		if (event.ctrlKey || event.metaKey || event.altKey) return
		const [low, high] = this.#seen()
		const by = (high - low) * PAN
		if (event.key === '+' || event.key === '=') this.zoom(ZOOM)
		else if (event.key === '-') this.zoom(1 / ZOOM)
		else if (event.key === '0') this.reset()
		else if (event.key === 'ArrowLeft') this.#show([low - by, high - by])
		else if (event.key === 'ArrowRight') this.#show([low + by, high + by])
		else return
		event.preventDefault()
	}

	/** @param {MouseEvent} event */
	#clicked(event) {
		if (Math.abs(event.clientX - this.#pressedAt) > DRAG_PIXELS) return
		const distance = (/** @type {number} */ step) =>
			Math.abs(this.#plot.valToPos(step, 'x') - event.offsetX)
		const near = this.#look.steps.toSorted((a, b) => distance(a) - distance(b))[0]
		if (near !== undefined && distance(near) <= MARK_PIXELS) this.#chooseStep(near)
	}

	/** Checkpoints are marks at the lower edge; the chosen one stands over the whole height. @param {any} plot */
	#drawMarks(plot) {
		const { ctx, bbox } = plot
		const { steps, chosenStep } = this.#look
		const scale = devicePixelRatio
		ctx.save()
		for (const step of steps) {
			const x = plot.valToPos(step, 'x', true)
			if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue
			const isChosen = step === chosenStep
			ctx.strokeStyle = colorOf(isChosen ? '--accent' : '--faint')
			ctx.lineWidth = scale * (isChosen ? 1.5 : 1)
			ctx.setLineDash(isChosen ? [4 * scale, 3 * scale] : [])
			ctx.beginPath()
			ctx.moveTo(x, isChosen ? bbox.top : bbox.top + bbox.height - 7 * scale)
			ctx.lineTo(x, bbox.top + bbox.height)
			ctx.stroke()
		}
		ctx.restore()
	}

	#height() {
		return this.#canvas.clientWidth < 480 ? HEIGHT_NARROW : HEIGHT
	}

	#resize() {
		const width = this.#canvas.clientWidth
		if (this.#plot !== null && width > 0) this.#plot.setSize({ width, height: this.#height() })
	}

	/**
	 * The values at a place, or the last ones.
	 * @param {number | null | undefined} index
	 */
	#showLegend(index) {
		const at = index ?? null
		const step = at === null ? null : this.#columns[0]?.[at]
		this.#legend.replaceChildren(
			create('span', { class: 'at' }, step == null ? 'last values' : `step ${formatWhole(step)}`),
			...this.#lines.flatMap(({ label, color, isPast }, i) => {
				const column = this.#columns[1 + 2 * i] ?? []
				const value = at === null ? column.findLast((each) => each !== null) : column[at]
				if (value === null || value === undefined || (isPast && at === null)) return []
				const mark = create('i')
				mark.style.background = `var(${color})`
				return [create('span', {}, mark, `${label} ${formatValue(value)}`)]
			}),
		)
	}
}

/**
 * Steps of all lines together, then per line its values and its smoothed values.
 * @param {Line[]} lines
 * @param {number} smoothing
 */
function columnsOf(lines, smoothing) {
	const steps = [...new Set(lines.flatMap(({ points }) => points.map(({ step }) => step)))].sort(
		(a, b) => a - b,
	)
	return [
		steps,
		...lines.flatMap(({ points }) => {
			const values = new Map(points.map(({ step, value }) => [step, value]))
			const column = steps.map((step) => values.get(step) ?? null)
			return [column, smoothed(column, smoothing)]
		}),
	]
}

/**
 * The colour that a custom property stands for in the present theme.
 * @param {string} property
 */
function colorOf(property) {
	const probe = create('span')
	probe.style.color = `var(${property})`
	document.body.append(probe)
	const { color } = getComputedStyle(probe)
	probe.remove()
	return color
}
