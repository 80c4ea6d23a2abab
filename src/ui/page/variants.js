/** Several continuations of a text side by side: of one model, or of several with the same seed. */
import { readCard, streamCompletion } from './api.js'
import { create } from './dom.js'
import { iconButton } from './icons.js'
import { SpeedMeter } from './speed.js'
import { recall } from './storage.js'
import { generatedParts } from './text-parts.js'
import { TokenText } from './token-text.js'

/** @typedef {import('./text-parts.js').Part} Part */

/** Continuations that are shown at first, and at most. */
const COLUMNS = 3
const COLUMNS_MAX = 8

/** Characters of the text that are shown above. */
const EXCERPT = 160

export class Variants {
	#dialog = create('dialog', { class: 'variants', 'aria-label': 'Side by side' })
	#excerpt = create('p', { class: 'hint' })
	#columns = create('div', { class: 'columns', tabindex: '0' })
	#go = create('button', { type: 'button', class: 'primary' }, 'Write')
	#more = create('button', { type: 'button' }, 'Another column')
	/** @type {Column[]} */
	#shown = []
	#prompt = ''
	/** @type {AbortController | null} */
	#running = null
	#session
	#take

	/**
	 * @param {import('./app.js').Session} session
	 * @param {(parts: Part[]) => void} take what the user has chosen
	 */
	constructor(session, take) {
		this.#session = session
		this.#take = take
		const hint =
			'Columns of one model are drawn apart; the same seed goes to different models and steps.'
		this.#dialog.append(
			create(
				'header',
				{},
				create('h2', {}, 'Side by side'),
				iconButton('close', 'Close', () => this.#dialog.close()),
			),
			this.#excerpt,
			this.#columns,
			create(
				'footer',
				{ class: 'bar' },
				this.#go,
				this.#more,
				create('span', { class: 'hint' }, hint),
			),
		)
		document.body.append(this.#dialog)
		this.#go.addEventListener('click', () => this.#toggle())
		this.#more.addEventListener('click', () => this.#add())
		this.#dialog.addEventListener('close', () => this.#running?.abort())
	}

	/** @param {string} prompt to be continued */
	show(prompt) {
		this.#prompt = prompt
		this.#excerpt.textContent = prompt.length > EXCERPT ? `… ${prompt.slice(-EXCERPT)}` : prompt
		this.#shown = []
		this.#columns.replaceChildren()
		for (let i = 0; i < COLUMNS; i++) this.#add()
		this.#dialog.showModal()
		this.#write()
	}

	#add() {
		const column = new Column(this.#session, (parts) => {
			this.#dialog.close()
			this.#take(parts)
		})
		this.#shown.push(column)
		this.#columns.append(column.element)
		this.#more.disabled = this.#shown.length >= COLUMNS_MAX
	}

	#toggle() {
		if (this.#running === null) this.#write()
		else this.#running.abort()
	}

	/** One request a model, with as many choices as it has columns. */
	async #write() {
		const running = new AbortController()
		this.#running = running
		this.#go.textContent = 'Stop'
		const seed = this.#session.parameters.drawSeed()
		const models = Map.groupBy(this.#shown, (column) => column.model)
		await Promise.all(
			[...models].map(([model, columns]) => this.#stream(model, columns, seed, running.signal)),
		)
		this.#running = null
		this.#go.textContent = 'Write again'
	}

	/**
	 * @param {string} model
	 * @param {Column[]} columns
	 * @param {number} seed
	 * @param {AbortSignal} signal
	 */
	async #stream(model, columns, seed, signal) {
		const { parameters } = this.#session
		for (const column of columns) column.clear()
		const body = {
			model,
			prompt: this.#prompt,
			...parameters.values(),
			seed,
			n: columns.length,
			logprobs: parameters.alternatives(),
		}
		try {
			for await (const pieces of streamCompletion(body, signal)) {
				for (const [index, column] of columns.entries()) {
					column.add(pieces.filter((piece) => piece.index === index))
				}
			}
		} catch (error) {
			if (signal.aborted) return
			for (const column of columns) column.fail(error)
		} finally {
			for (const column of columns) column.finish()
		}
	}
}

/** One continuation, and whose it is. */
class Column {
	element
	#model = create('select', { 'aria-label': 'Model' })
	#step = create('select', { 'aria-label': 'Training step' })
	#hasHeat = recall('heat') === true
	#text = create('div', { class: this.#hasHeat ? 'text heat' : 'text' })
	#stats = create('small', {})
	#choose = create('button', { type: 'button' }, 'Take this one')
	/** @type {Part[]} */
	#parts = []
	#drawn
	#speed = new SpeedMeter()

	/**
	 * @param {import('./app.js').Session} session
	 * @param {(parts: Part[]) => void} take
	 */
	constructor(session, take) {
		const { model, step } = session.settings()
		const scroller = create('div', { class: 'column-text', tabindex: '0' }, this.#text)
		this.#drawn = new TokenText(this.#text, scroller, () => this.#parts)
		this.#model.append(...session.models().map((id) => create('option', { value: id }, id)))
		this.#model.value = model
		this.#model.addEventListener('change', () => this.#offerSteps(''))
		this.#offerSteps(step)
		this.#choose.disabled = true
		this.#choose.addEventListener('click', () => take(this.#parts))
		this.element = create(
			'section',
			{ class: 'column' },
			create('div', { class: 'picker' }, this.#model, this.#step),
			scroller,
			create('div', { class: 'bar' }, this.#choose, this.#stats),
		)
	}

	/** The name that it asks for. */
	get model() {
		return this.#step.value === '' ? this.#model.value : `${this.#model.value}@${this.#step.value}`
	}

	/** @param {string} wanted */
	async #offerSteps(wanted) {
		const latest = create('option', { value: '' }, 'latest')
		this.#step.replaceChildren(latest)
		if (wanted !== '') this.#step.append(create('option', { value: wanted }, `step ${wanted}`))
		this.#step.value = wanted
		const card = await readCard(this.#model.value, 1).catch(() => null)
		const steps = (card?.steps ?? []).toReversed().map(String)
		const chosen = this.#step.value
		this.#step.replaceChildren(
			latest,
			...steps.map((step) => create('option', { value: step }, `step ${step}`)),
		)
		this.#step.value = steps.includes(chosen) ? chosen : ''
	}

	clear() {
		this.#parts = []
		this.#drawn.cut(0)
		this.#drawn.drawsTokens = this.#hasHeat
		this.#speed = new SpeedMeter()
		this.#stats.textContent = ''
		this.#choose.disabled = true
		this.#text.classList.add('running')
	}

	/** @param {import('./api.js').Piece[]} pieces */
	add(pieces) {
		this.#speed.add(pieces)
		this.#parts.push(...generatedParts(pieces))
		this.#drawn.grow()
	}

	/** @param {unknown} error */
	fail(error) {
		this.#stats.textContent = error instanceof Error ? error.message : String(error)
	}

	finish() {
		this.#drawn.finish()
		this.#drawn.drawsTokens = true
		this.#text.classList.remove('running')
		this.#choose.disabled = this.#parts.length === 0
		if (this.#parts.length > 0) this.#stats.textContent = this.#speed.summary()
	}
}
