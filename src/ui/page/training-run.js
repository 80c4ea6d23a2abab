/** The page of one training run. */
import { request } from './api.js'
import { create } from './dom.js'
import { RunCharts } from './training-charts.js'
import {
	formatBytes,
	formatClock,
	formatCompact,
	formatLoss,
	formatValue,
	formatWhole,
} from './training-format.js'
import { progress, stateBadge } from './training-list.js'

/**
 * @typedef {import('./training-feed.js').TrainingRun} TrainingRun
 * @typedef {import('./training-feed.js').LogEvent} LogEvent
 * @typedef {{ step: number | null, idx: number, prompt: string, output: string, created_at: string,
 *   trend: { summary?: string, plateauLikely?: boolean, overfittingLikely?: boolean } | null }} Sample
 * @typedef {{ step: number, model: string, filename: string, file_size: number, created_at: string }} Checkpoint
 * @typedef {{ feed: import('./training-feed.js').TrainingFeed, talkTo: (id: string, step: number) => void,
 *   showError: (error: unknown) => void }} RunContext
 */

/** Lines of the log that are shown. */
const EVENTS_MAX = 500
const LEVELS = ['debug', 'info', 'warn', 'error']

export class RunPage {
	/** Its directory, which is the model's id. */
	id
	element = create('div', { class: 'run-page' })
	#context
	#head = create('header', { class: 'run-head' })
	#charts = new RunCharts()
	#samples = create('section', { class: 'run-card' })
	#checkpoints = create('section', { class: 'run-card' })
	#log = create('ol', { class: 'run-log', tabindex: '0' })
	/** @type {LogEvent[]} */
	#events = []
	#level = create('select', { 'aria-label': 'Lowest level' })
	#facts = create('details', { class: 'run-card' })
	#isDrawing = false
	/** How often each part of the run has been asked for. */
	#turns = /** @type {Map<string, number>} */ (new Map())

	/**
	 * @param {string} id
	 * @param {RunContext} context
	 */
	constructor(id, context) {
		this.id = id
		this.#context = context
		this.#level.append(
			...LEVELS.map((level) => create('option', { value: level }, `from ${level}`)),
		)
		this.#level.value = 'info'
		this.#level.addEventListener('change', () => this.#drawLog())
		const events = create(
			'section',
			{ class: 'run-card' },
			create('h3', {}, 'Events', this.#level),
			this.#log,
		)
		const text = create('details', { class: 'run-card' }, create('summary', {}, 'Training text'))
		text.addEventListener('toggle', () => this.#readText(text), { once: true })
		this.element.append(
			create('a', { class: 'back', href: '#/training' }, '← all runs'),
			this.#head,
			this.#charts.element,
			this.#samples,
			this.#checkpoints,
			events,
			this.#facts,
			text,
		)
		const { feed, showError } = context
		feed.load(id).then(() => this.#drawSoon(), showError)
		this.#readEvents()
		this.#readSamples()
		this.#readCheckpoints()
		this.drawHead()
	}

	/** @param {import('./training-feed.js').News | null} news null: all may have changed */
	take(news) {
		if (news === null) {
			this.#readEvents()
			this.#readSamples()
			this.#readCheckpoints()
			this.#drawSoon()
			this.drawHead()
			return
		}
		if (news.run !== this.id) return
		if (news.type === 'metrics') this.#drawSoon()
		if (news.type === 'samples') this.#readSamples()
		if (news.type === 'checkpoint') this.#readCheckpoints()
		if (news.type === 'event') {
			const { timestamp, ...event } = news.data.event
			this.#events.push({ ...event, created_at: timestamp })
			this.#drawLog()
		}
		this.drawHead()
	}

	drawHead() {
		const run = this.#context.feed.find(this.id)
		if (run === undefined) {
			this.#head.replaceChildren(create('p', { class: 'hint' }, `There is no run ${this.id}.`))
			return
		}
		const last = run.last_metrics
		const number = (/** @type {string} */ key) => {
			const value = last?.[key]
			return typeof value === 'number' ? formatValue(value) : ''
		}
		/** @type {[string, string][]} */
		const facts = [
			['Loss', formatLoss(run.last_loss)],
			['Best validation', formatLoss(run.best_val_loss)],
			['Learning rate', number('lr')],
			['Gradient norm', number('gradNorm')],
			['Tokens per second', number('tokens_per_sec')],
			['Parameters', run.estimated_params === null ? '' : formatCompact(run.estimated_params)],
			['Machine', [run.hostname, run.gpu_name].filter(Boolean).join(', ')],
			['Domain', run.domain ?? ''],
		]
		this.#head.replaceChildren(
			create('h2', {}, run.name, ' ', stateBadge(run)),
			progress(run),
			create(
				'dl',
				{},
				...facts
					.filter(([, value]) => value !== '')
					.map(([name, value]) =>
						create('div', {}, create('dt', {}, name), create('dd', {}, value)),
					),
			),
		)
		this.#drawFacts(run)
	}

	/** Charts are drawn once a frame at most. */
	#drawSoon() {
		if (this.#isDrawing) return
		this.#isDrawing = true
		requestAnimationFrame(() => {
			this.#isDrawing = false
			this.#charts.draw(this.#context.feed.points(this.id))
		})
	}

	/** @param {TrainingRun} run */
	#drawFacts(run) {
		if (this.#facts.childElementCount > 0) return
		const table = (/** @type {string} */ title, /** @type {Record<string, unknown>} */ values) => {
			const rows = Object.entries(values).filter(
				([, value]) => value !== null && typeof value !== 'object',
			)
			if (rows.length === 0) return []
			return [
				create('h4', {}, title),
				create(
					'dl',
					{},
					...rows.map(([name, value]) =>
						create('div', {}, create('dt', {}, name), create('dd', {}, String(value))),
					),
				),
			]
		}
		const file = (/** @type {string} */ name) =>
			create('a', { href: this.#downloadPath(name), download: name }, name)
		this.#facts.append(
			create('summary', {}, 'Configuration and files'),
			...table('Model', JSON.parse(run.model_config)),
			...table('Training', JSON.parse(run.train_config)),
			...table('Machine', run.machine),
			create(
				'p',
				{ class: 'files' },
				file('metrics.jsonl'),
				' ',
				file('events.jsonl'),
				' ',
				file('samples.jsonl'),
				' ',
				file('config.json'),
			),
		)
	}

	/** @param {string} file */
	#downloadPath(file) {
		return `api/runs/${encodeURIComponent(this.id)}/download/${encodeURIComponent(file)}`
	}

	/**
	 * @param {string} what
	 * @returns {Promise<any>} null where there is none
	 */
	async #read(what) {
		const path = `api/runs/${encodeURIComponent(this.id)}/${what}`
		return request(path)
			.then((response) => response.json())
			.catch(() => null)
	}

	/**
	 * As `#read`; undefined when the same has been asked again meanwhile, since answers may overtake
	 * each other.
	 * @param {string} what
	 * @returns {Promise<any>}
	 */
	async #readLatest(what) {
		const turn = (this.#turns.get(what) ?? 0) + 1
		this.#turns.set(what, turn)
		const answer = await this.#read(what)
		return this.#turns.get(what) === turn ? answer : undefined
	}

	async #readEvents() {
		/** @type {LogEvent[]} */
		const events = (await this.#read(`events?last=${EVENTS_MAX}`)) ?? []
		// What the stream told meanwhile may be newer than the answer.
		const lastId = events.at(-1)?.id ?? 0
		this.#events = [...events, ...this.#events.filter(({ id }) => id > lastId)]
		this.#drawLog()
	}

	#drawLog() {
		const lowest = LEVELS.indexOf(this.#level.value)
		const shown = this.#events
			.slice(-EVENTS_MAX)
			.filter(({ level }) => LEVELS.indexOf(level) >= lowest)
		const isAtEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 40
		this.#log.replaceChildren(
			...shown.map(({ step, level, kind, message, created_at: time }) =>
				create(
					'li',
					{ 'data-level': level },
					create('time', {}, formatClock(time)),
					create('span', {}, step === null ? '' : formatWhole(step)),
					create('b', {}, kind.replaceAll('_', ' ')),
					create('span', {}, message),
				),
			),
		)
		if (shown.length === 0)
			this.#log.append(create('li', { class: 'hint' }, 'Nothing has been told.'))
		if (isAtEnd) this.#log.scrollTop = this.#log.scrollHeight
	}

	async #readSamples() {
		/** @type {Sample[] | null | undefined} */
		const answer = await this.#readLatest('samples')
		if (answer === undefined) return
		const samples = answer ?? []
		this.#samples.hidden = samples.length === 0
		this.#samples.replaceChildren(
			create('h3', {}, 'Samples'),
			...trendNotes(samples),
			sampleTable(samples),
		)
	}

	async #readCheckpoints() {
		/** @type {Checkpoint[] | null | undefined} */
		const answer = await this.#readLatest('checkpoints')
		if (answer === undefined) return
		const checkpoints = answer ?? []
		this.#checkpoints.hidden = checkpoints.length === 0
		this.#checkpoints.replaceChildren(
			create('h3', {}, 'Checkpoints'),
			create(
				'ul',
				{ class: 'run-checkpoints' },
				...checkpoints.reverse().map(({ step, filename, file_size: bytes }) => {
					const talk = create('button', {}, 'Talk to this one')
					talk.addEventListener('click', () => this.#context.talkTo(this.id, step))
					return create(
						'li',
						{},
						create('b', {}, `step ${formatWhole(step)}`),
						create('small', {}, formatBytes(bytes)),
						talk,
						create('a', { href: this.#downloadPath(filename), download: filename }, 'Download'),
					)
				}),
			),
		)
	}

	/** @param {HTMLDetailsElement} details */
	async #readText(details) {
		const training = await this.#read('training-data')
		details.append(
			training === null
				? create('p', { class: 'hint' }, 'Its trainer has not sent any.')
				: create('pre', { tabindex: '0' }, training.text),
		)
	}
}

/**
 * What the trainer thinks of where the loss is going.
 * @param {Sample[]} samples
 */
function trendNotes(samples) {
	const trend = samples.findLast((each) => each.trend !== null)?.trend
	if (!trend) return []
	return [
		...(trend.plateauLikely
			? [create('p', { class: 'note' }, 'The loss seems to have reached a plateau.')]
			: []),
		...(trend.overfittingLikely
			? [create('p', { class: 'note' }, 'It seems to learn by heart: the validation loss rises.')]
			: []),
		...(trend.summary ? [create('p', { class: 'hint' }, trend.summary)] : []),
	]
}

/**
 * Prompts by time: what the model wrote to each, side by side.
 * @param {Sample[]} samples
 */
function sampleTable(samples) {
	/** @type {Map<string, Sample[]>} */
	const columns = new Map()
	for (const sample of samples) {
		const column = `${sample.step} ${sample.created_at}`
		columns.set(column, [...(columns.get(column) ?? []), sample])
	}
	const times = [...columns.values()].reverse()
	const prompts = [...new Set(samples.map(({ prompt }) => prompt))]
	const head = create(
		'tr',
		{},
		create('th', {}, 'Prompt'),
		...times.map(([first]) =>
			create('th', {}, first?.step == null ? '' : `step ${formatWhole(first.step)}`),
		),
	)
	const rows = prompts.map((prompt) =>
		create(
			'tr',
			{},
			create('th', {}, prompt),
			...times.map((column) => {
				const output = column.find((each) => each.prompt === prompt)?.output ?? ''
				const text = output.startsWith(prompt) ? output.slice(prompt.length) : output
				return create('td', {}, text.trimStart())
			}),
		),
	)
	const table = create('table', {}, create('thead', {}, head), create('tbody', {}, ...rows))
	return create('div', { class: 'run-samples', tabindex: '0' }, table)
}
