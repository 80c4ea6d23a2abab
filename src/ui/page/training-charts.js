/** Which charts a run has: the known ones, and one for any other number that its trainer tells. */
import { create } from './dom.js'
import { StepChart } from './training-chart.js'

/** @typedef {import('./training-feed.js').Point} Point */

/**
 * @typedef {{ title: string, isLogarithmic?: boolean, keys: { key: string, label: string, color: string, isSparse?: boolean,
 *   change?: (value: number) => number }[] }} ChartPlan
 */

const loss = { key: 'loss', label: 'training', color: '--run-1' }
const valLoss = { key: 'valLoss', label: 'validation', color: '--run-2', isSparse: true }

/** @type {ChartPlan[]} */
const PLANS = [
	{ title: 'Loss', keys: [loss, valLoss] },
	{
		title: 'Perplexity',
		isLogarithmic: true,
		keys: [
			{ ...loss, change: Math.exp },
			{ ...valLoss, change: Math.exp },
		],
	},
	{ title: 'Learning rate', keys: [{ key: 'lr', label: 'lr', color: '--run-1' }] },
	{ title: 'Gradient norm', keys: [{ key: 'gradNorm', label: 'norm', color: '--run-1' }] },
	{
		title: 'Tokens per second',
		keys: [{ key: 'tokens_per_sec', label: 'tok/s', color: '--run-1' }],
	},
	{ title: 'Step time, ms', keys: [{ key: 'ms_per_iter', label: 'ms', color: '--run-1' }] },
]

/** Drawn already, or the same under another name, or no measurement. */
const OTHER_NAMES = new Set(['step', 'run_id', 'val_loss', 'grad_norm', 'elapsed_ms'])
const PLANNED = new Set(PLANS.flatMap(({ keys }) => keys.map(({ key }) => key)))

const MAIN_HEIGHT = 300
const HEIGHT = 170

/** Charts beyond the known ones. */
const OTHERS_MAX = 40

export class RunCharts {
	element = create('div', { class: 'charts' })
	/** @type {Map<string, StepChart>} */
	#charts = new Map()

	/** @param {Point[]} points */
	draw(points) {
		for (const plan of [...PLANS, ...otherPlans(points)]) {
			this.#chart(plan).draw(
				plan.keys.map(({ key, label, color, isSparse = false, change = (value) => value }) => ({
					label,
					color,
					isSparse,
					points,
					value: (point) => {
						const value = point[key]
						return typeof value === 'number' ? change(value) : null
					},
				})),
			)
		}
	}

	/** @param {ChartPlan} plan */
	#chart({ title, isLogarithmic = false }) {
		const known = this.#charts.get(title)
		if (known !== undefined) return known
		const height = title === 'Loss' ? MAIN_HEIGHT : HEIGHT
		const chart = new StepChart(title, height, isLogarithmic)
		this.#charts.set(title, chart)
		this.element.append(chart.element)
		return chart
	}
}

/**
 * Every number beside the known ones, in the order of appearance.
 * @param {Point[]} points
 * @returns {ChartPlan[]}
 */
function otherPlans(points) {
	/** @type {Set<string>} */
	const keys = new Set()
	for (const point of [points[0], ...points.slice(-50)]) {
		for (const [key, value] of Object.entries(point ?? {})) {
			if (typeof value === 'number' && !OTHER_NAMES.has(key) && !PLANNED.has(key)) keys.add(key)
		}
	}
	return [...keys].slice(0, OTHERS_MAX).map((key) => {
		return { title: key.replaceAll('_', ' '), keys: [{ key, label: key, color: '--run-1' }] }
	})
}

/** Colours of runs that are drawn together. */
const RUN_COLORS = ['--run-1', '--run-2', '--run-3', '--run-4', '--run-5', '--run-6']

/** Runs that can be drawn together. */
export const COMPARED_MAX = RUN_COLORS.length

/** The loss of several runs in one chart. */
export class Comparison {
	#chart = new StepChart('Loss of the chosen runs', MAIN_HEIGHT)
	element = this.#chart.element

	/** @param {{ name: string, points: Point[] }[]} runs */
	draw(runs) {
		const number = (/** @type {unknown} */ value) => (typeof value === 'number' ? value : null)
		this.#chart.draw(
			runs.flatMap(({ name, points }, i) => {
				const color = RUN_COLORS[i % RUN_COLORS.length] ?? '--run-1'
				const validation = points.some((point) => number(point['valLoss']) !== null)
				return [
					{
						label: name,
						color,
						points,
						value: (/** @type {Point} */ point) => number(point['loss']),
					},
					...(validation
						? [
								{
									label: `${name}, validation`,
									color,
									isDashed: true,
									points,
									value: (/** @type {Point} */ point) => number(point['valLoss']),
								},
							]
						: []),
				]
			}),
		)
	}
}
