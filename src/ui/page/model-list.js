/** The list of all models: found, grouped, sorted, with what is known of each. */
import { readCard } from './api.js'
import { create } from './dom.js'
import { sparkLine } from './spark-line.js'
import { recall, remember } from './storage.js'
import { formatAgo, formatCompact, formatLoss, formatWhole } from './training-format.js'

/** @typedef {import('./api.js').Run} Run */

/** @type {Record<string, { label: string, compare: (a: Run, b: Run) => number }>} */
const ORDERS = {
	date: { label: 'newest first', compare: (a, b) => b.mtime - a.mtime },
	loss: { label: 'lowest loss first', compare: (a, b) => lossOf(a) - lossOf(b) },
	size: {
		label: 'largest first',
		compare: (a, b) => (b.parameterCount ?? 0) - (a.parameterCount ?? 0),
	},
	name: { label: 'by name', compare: (a, b) => a.id.localeCompare(b.id) },
}

/** Points of a spark line. */
const SPARK_POINTS = 48

/** Rows that are drawn at first; of more runs the rest comes when it is asked for. */
const ROWS_MAX = 200

/** What the states of a model are called. @type {Record<string, string>} */
export const STATES = {
	available: 'on disk',
	loading: 'loading',
	loaded: 'in memory',
	incomplete: 'arriving',
	damaged: 'damaged',
}

export class ModelList {
	element = create('div', { class: 'model-list' })
	#search = create('input', {
		type: 'search',
		placeholder: 'Search models',
		'aria-label': 'Search models',
	})
	#order = create('select', { 'aria-label': 'Order' })
	#grouped = create('input', { type: 'checkbox' })
	#rows = create('div', { class: 'model-rows', role: 'group', 'aria-label': 'Models' })
	#choose
	/** @type {Run[]} */
	#runs = []
	#chosen = ''
	#rowsMax = ROWS_MAX
	/** Losses by run and step, once somebody has looked at its row. @type {Map<string, Promise<number[]>>} */
	#sparks = new Map()
	/** Rows in sight get their spark line. */
	#watcher = new IntersectionObserver((entries) => {
		for (const { isIntersecting, target } of entries) {
			if (isIntersecting && target instanceof HTMLElement) this.#draw(target)
		}
	})
	/** @type {WeakMap<Element, Run>} */
	#runOf = new WeakMap()

	/** @param {(id: string) => void} choose */
	constructor(choose) {
		this.#choose = choose
		this.#order.append(
			...Object.entries(ORDERS).map(([value, { label }]) => create('option', { value }, label)),
		)
		const order = recall('order')
		this.#order.value = typeof order === 'string' && order in ORDERS ? order : 'date'
		this.#grouped.checked = recall('grouped') !== false
		this.#search.addEventListener('input', () => this.#render())
		this.#order.addEventListener('change', () => {
			remember('order', this.#order.value)
			this.#render()
		})
		this.#grouped.addEventListener('change', () => {
			remember('grouped', this.#grouped.checked)
			this.#render()
		})
		this.element.append(
			create(
				'div',
				{ class: 'bar' },
				this.#search,
				this.#order,
				create('label', { class: 'switch' }, this.#grouped, 'by domain'),
			),
			this.#rows,
		)
	}

	/**
	 * @param {Run[]} runs
	 * @param {string} chosen
	 */
	show(runs, chosen) {
		this.#runs = runs
		this.#chosen = chosen
		this.#render()
	}

	#render() {
		const wanted = this.#search.value.trim().toLowerCase()
		const found = this.#runs
			.filter(({ id, domain, family }) =>
				`${id} ${domain} ${family}`.toLowerCase().includes(wanted),
			)
			.sort(ORDERS[this.#order.value]?.compare)
			// What cannot be asked for is of interest last.
			.sort((a, b) => Number(isServed(b)) - Number(isServed(a)))
		const shown = found.slice(0, this.#rowsMax)
		const groups = this.#grouped.checked
			? Map.groupBy(shown, ({ domain }) => domain ?? 'without domain')
			: new Map([['', shown]])
		this.#watcher.disconnect()
		const focused = document.activeElement?.getAttribute('data-model')
		this.#rows.replaceChildren(
			...[...groups].flatMap(([name, runs]) => [
				...(name === '' ? [] : [create('h2', { class: 'domain' }, name)]),
				...runs.map((run) => this.#row(run)),
			]),
		)
		if (found.length === 0)
			this.#rows.append(create('p', { class: 'hint' }, 'No model has this in its name.'))
		if (found.length > shown.length) this.#rows.append(this.#more(found.length))
		const again = focused && this.#rows.querySelector(`[data-model="${CSS.escape(focused)}"]`)
		if (again instanceof HTMLElement) again.focus()
	}

	/** @param {Run} run */
	#row(run) {
		const { id, state = 'available', reason, step, lastLoss, parameterCount, mtime } = run
		const isUsable = isServed(run)
		const facts = [
			parameterCount ? formatCompact(parameterCount) : '',
			`step ${formatWhole(step)}`,
			formatAgo(new Date(mtime).toISOString()),
		]
		const row = create(
			'button',
			{
				type: 'button',
				class: 'model-row',
				'data-model': id,
				...(id === this.#chosen ? { 'aria-current': 'true' } : {}),
			},
			create('b', {}, id),
			create('span', { class: 'state', 'data-state': state }, STATES[state] ?? state),
			create(
				'small',
				{ class: isUsable ? 'facts' : 'facts reason' },
				isUsable ? facts.filter(Boolean).join(' · ') : (reason ?? ''),
			),
			create('span', { class: 'spark-place' }),
			create('span', { class: 'loss' }, isUsable ? formatLoss(lastLoss) : ''),
		)
		row.addEventListener('click', () => this.#choose(id))
		if (isUsable) {
			this.#runOf.set(row, run)
			this.#watcher.observe(row)
		}
		return row
	}

	/** @param {HTMLElement} row that has come into sight */
	async #draw(row) {
		this.#watcher.unobserve(row)
		const run = this.#runOf.get(row)
		if (run === undefined) return
		const key = `${run.id} ${run.mtime}`
		const losses = this.#sparks.get(key) ?? readLosses(run.id)
		this.#sparks.set(key, losses)
		row.querySelector('.spark-place')?.replaceChildren(sparkLine(await losses))
	}

	/** @param {number} count */
	#more(count) {
		const more = create('button', { type: 'button' }, `Show all ${formatWhole(count)}`)
		more.addEventListener('click', () => {
			this.#rowsMax = Number.POSITIVE_INFINITY
			this.#render()
		})
		return more
	}
}

/** @param {string} id @returns {Promise<number[]>} */
async function readLosses(id) {
	const card = await readCard(id, SPARK_POINTS).catch(() => null)
	const losses = (card?.metrics?.points ?? []).map(({ loss, valLoss }) => loss ?? valLoss)
	return losses.filter((loss) => typeof loss === 'number')
}

/** @param {Run} run */
function isServed({ state }) {
	return state !== 'incomplete' && state !== 'damaged'
}

/** Runs without a loss come last. @param {Run} run */
function lossOf({ lastLoss }) {
	return lastLoss ?? Number.POSITIVE_INFINITY
}
