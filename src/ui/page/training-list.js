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
		const rows = runs.slice(0, this.#shown).map((run) => this.#row(run))
		if (runs.length === 0) rows.push(emptyHint())
		if (runs.length > this.#shown) rows.push(this.#more(runs.length))
		this.#rows.replaceChildren(...rows)
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
		const box = create('input', {
			type: 'checkbox',
			value: run.id,
			'aria-label': `Compare ${run.name}`,
		})
		box.checked = this.#compared.has(run.id)
		const machine = [run.hostname, run.gpu_name].filter(Boolean).join(' · ')
		return create(
			'article',
			{ class: 'run-row', 'data-run': run.id },
			box,
			create(
				'a',
				{ href: `#/training/${encodeURIComponent(run.id)}` },
				create('b', {}, run.name),
				create('small', {}, [run.domain, machine].filter(Boolean).join(' · ')),
			),
			stateBadge(run),
			progress(run),
			figure('validation', formatLoss(run.best_val_loss), 'best'),
			figure('loss', formatLoss(run.last_loss), ''),
			create('small', { class: 'ago' }, formatAgo(run.updated_at)),
		)
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

/**
 * @param {string} name
 * @param {string} value
 * @param {string} note
 */
function figure(name, value, note) {
	const label = note === '' ? name : `${note} ${name}`
	return create('span', { class: 'figure' }, value, create('small', {}, label))
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
