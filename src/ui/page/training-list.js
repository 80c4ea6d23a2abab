/** The list of training runs. */
import { create } from './dom.js'
import { COMPARED_MAX, Comparison } from './training-charts.js'
import { formatAgo, formatDuration, formatLoss, formatWhole } from './training-format.js'

/** @typedef {import('./training-feed.js').TrainingRun} TrainingRun */

/** Runs that are listed at once. */
const SHOWN = 100

export class RunList {
	element
	#feed
	#rows = create('div', { class: 'run-rows' })
	/** @type {Map<string, RunRow>} */
	#rowOf = new Map()
	#comparison = new Comparison()
	/** @type {Set<string>} */
	#compared = new Set()
	#shown = SHOWN

	/**
	 * @param {import('./training-feed.js').TrainingFeed} feed
	 * @param {(error: unknown) => void} showError
	 */
	constructor(feed, showError) {
		this.#feed = feed
		this.#rows.addEventListener('change', async ({ target }) => {
			if (!(target instanceof HTMLInputElement)) return
			if (target.checked) this.#compared.add(target.value)
			else this.#compared.delete(target.value)
			if (this.#compared.size > COMPARED_MAX) this.#compared.delete([...this.#compared][0] ?? '')
			await feed.load(target.value).catch(showError)
			this.draw()
		})
		this.#comparison.element.hidden = true
		this.element = create('div', { class: 'run-list' }, this.#comparison.element, this.#rows)
	}

	draw() {
		const runs = this.#feed.runs()
		const shown = runs.slice(0, this.#shown).map((run) => this.#row(run).element)
		if (runs.length === 0) shown.push(emptyHint())
		if (runs.length > this.#shown) shown.push(this.#more(runs.length))
		place(this.#rows, shown)
		const known = new Set(runs.map(({ id }) => id))
		for (const id of this.#rowOf.keys()) if (!known.has(id)) this.#rowOf.delete(id)
		const compared = [...this.#compared].filter((id) => this.#feed.find(id) !== undefined)
		if (compared.length < 2) this.#comparison.element.hidden = true
		else
			this.#comparison.draw(
				compared.map((id) => ({
					name: this.#feed.find(id)?.name ?? id,
					points: this.#feed.points(id),
				})),
			)
	}

	/** @param {TrainingRun} run */
	#row(run) {
		const row = this.#rowOf.get(run.id) ?? new RunRow(run.id)
		this.#rowOf.set(run.id, row)
		row.update(run, this.#compared.has(run.id))
		return row
	}

	/** @param {number} count */
	#more(count) {
		const more = create('button', {}, `Show all ${formatWhole(count)}`)
		more.addEventListener('click', () => {
			this.#shown = Number.POSITIVE_INFINITY
			this.draw()
		})
		return more
	}
}

/**
 * A row of the list. It stays the same element while its run reports, so that it can be clicked and
 * keeps the focus.
 */
class RunRow {
	element
	#box
	#name = create('b')
	#note = create('small')
	#state = create('span')
	#progress = create('div')
	#validation = figure('best validation')
	#loss = figure('loss')
	#ago = create('small', { class: 'ago' })

	/** @param {string} id */
	constructor(id) {
		this.#box = create('input', { type: 'checkbox', value: id })
		const href = `#/training/${encodeURIComponent(id)}`
		this.element = create(
			'article',
			{ class: 'run-row', 'data-run': id },
			// Around the box, so that a click beside it does not open the run.
			create('label', {}, this.#box),
			create('a', { href }, this.#name, this.#note),
			this.#state,
			this.#progress,
			this.#validation.element,
			this.#loss.element,
			this.#ago,
		)
	}

	/**
	 * @param {TrainingRun} run
	 * @param {boolean} isCompared
	 */
	update(run, isCompared) {
		const machine = [run.hostname, run.gpu_name].filter(Boolean).join(' · ')
		this.#box.checked = isCompared
		this.#box.setAttribute('aria-label', `Compare ${run.name}`)
		this.#name.textContent = run.name
		this.#name.title = run.name
		this.#note.textContent = [run.domain, machine].filter(Boolean).join(' · ')
		this.#state = swap(this.#state, stateBadge(run))
		this.#progress = swap(this.#progress, progress(run))
		this.#validation.value.textContent = formatLoss(run.best_val_loss)
		this.#loss.value.textContent = formatLoss(run.last_loss)
		this.#ago.textContent = formatAgo(run.updated_at)
	}
}

/**
 * Puts `next` in the place of `present` unless they are equal.
 * @template {HTMLElement} T
 * @param {T} present
 * @param {T} next
 */
function swap(present, next) {
	if (present.isEqualNode(next)) return present
	present.replaceWith(next)
	return next
}

/**
 * Makes these the children of an element; those that are in their place are not touched.
 * @param {HTMLElement} parent
 * @param {HTMLElement[]} children
 */
function place(parent, children) {
	const wanted = new Set(/** @type {Element[]} */ (children))
	for (const child of [...parent.children]) if (!wanted.has(child)) child.remove()
	children.forEach((child, i) => {
		const there = parent.children[i] ?? null
		if (there !== child) parent.insertBefore(child, there)
	})
}

/** @param {TrainingRun} run */
export function stateBadge(run) {
	return create('span', { class: 'state', 'data-state': run.status }, run.status)
}

/** @param {TrainingRun} run */
export function progress(run) {
	const { latest_step: step, total_iters: total } = run
	const isRunning = run.status === 'training' || run.status === 'active'
	const left =
		isRunning && run.seconds_left !== null ? ` · ${formatDuration(run.seconds_left)} left` : ''
	const text =
		total === null
			? `step ${formatWhole(step)}`
			: `${formatWhole(step)} of ${formatWhole(total)}${left}`
	const bar = create('progress', { max: String(total ?? 1), 'aria-label': 'Progress' })
	bar.value = total === null ? 0 : Math.min(step, total)
	bar.hidden = total === null
	return create('div', { class: 'progress' }, bar, create('small', {}, text))
}

/** @param {string} label */
function figure(label) {
	const value = create('span')
	return { value, element: create('span', { class: 'figure' }, value, create('small', {}, label)) }
}

/** What to do when nobody trains. */
function emptyHint() {
	const server = new URL('.', document.baseURI).href.replace(/\/$/, '')
	const command = `export ALPHA_REMOTE_URL=${server}\nexport ALPHA_REMOTE_SECRET=$UPLOAD_SECRET`
	return create(
		'div',
		{ class: 'run-empty' },
		create('h2', {}, 'No training yet'),
		create(
			'p',
			{},
			'Point a trainer at this server, or copy the directory of a run into its checkpoints. What it reports appears here as it comes.',
		),
		create('pre', { tabindex: '0' }, create('code', {}, command)),
		create(
			'p',
			{ class: 'hint' },
			'Any other trainer can post to /api/ingest: the page of the API has it under “Training”.',
		),
	)
}
