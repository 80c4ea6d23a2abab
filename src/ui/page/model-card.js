/** The card of a model: its course, its checkpoints, its facts, and what can be done with it. */
import { readCard, request } from './api.js'
import { create, paced } from './dom.js'
import { fileName, saveBlob } from './files.js'
import { STATES } from './model-list.js'
import { ScalarChart } from './scalar-chart.js'
import { partsOfTraining, scalarsOf } from './scalar-series.js'
import { withSecret } from './secret.js'
import { recall, remember } from './storage.js'
import { formatBytes, formatCompact, formatLoss, formatWhole } from './training-format.js'

/**
 * @typedef {import('./api.js').Card} Card
 * @typedef {import('./api.js').MetricsPoint} Point
 * @typedef {import('./scalar-chart.js').Line} Line
 *
 * @typedef {{ chooseStep: (step: string) => void, go: (view: string) => void, runs: () => import('./api.js').Run[],
 *   showError: (error: unknown) => void, notify: (text: string) => void }} CardContext
 */

/** Points that are asked for and drawn. */
const POINTS = 1000

/** A training that reports is read again so often at most. */
const LIVE_MS = 2000

/** Colours of the run itself and of those laid over it. */
const COLORS = ['--run-1', '--run-3', '--run-4', '--run-5', '--run-6']

export class ModelCard {
	element = create('article', { class: 'model-card', 'aria-label': 'Model', 'aria-busy': 'true' })
	#context
	#head = create('header', {})
	#problem = create('p', { class: 'error', hidden: '' })
	#chart
	#none = create('p', { class: 'hint' })
	#scalar = create('select', { 'aria-label': 'What is drawn' })
	#smoothing = create('input', {
		type: 'range',
		min: '0',
		max: '0.98',
		step: '0.02',
		id: 'smoothing',
	})
	#log = create('input', { type: 'checkbox' })
	#robust = create('input', { type: 'checkbox' })
	#compare = create('select', { 'aria-label': 'Lay another run over it' })
	#overlays = create('div', { class: 'overlays' })
	#chartPanel = create('section', { class: 'chart-panel' })
	#steps = create('div', { class: 'steps', role: 'group', 'aria-label': 'Checkpoints' })
	#facts = create('dl', {})
	#id = ''
	#step = ''
	/** @type {Card | null} */
	#card = null
	/** Points of the runs that are laid over it. @type {Map<string, Point[]>} */
	#others = new Map()
	#turn = 0

	/** @param {CardContext} context */
	constructor(context) {
		this.#context = context
		this.#chart = new ScalarChart((step) => this.#choose(step))
		const look = /** @type {Record<string, unknown>} */ (recall('chart') ?? {})
		this.#smoothing.value = String(look['smoothing'] ?? 0)
		this.#log.checked = look['log'] === true
		this.#robust.checked = look['robust'] !== false
		for (const input of [this.#smoothing, this.#log, this.#robust, this.#scalar]) {
			input.addEventListener('input', () => this.#lookChanged())
		}
		this.#compare.addEventListener('change', () => this.#layOver(this.#compare.value))
		const button = (/** @type {string} */ label, /** @type {() => void} */ act) => {
			const element = create('button', { type: 'button', class: 'quiet' }, label)
			element.addEventListener('click', act)
			return element
		}
		this.#chartPanel.append(
			create(
				'div',
				{ class: 'bar' },
				this.#scalar,
				create('label', { class: 'switch' }, 'Smooth', this.#smoothing),
				create('label', { class: 'switch' }, this.#log, 'Log'),
				create(
					'label',
					{ class: 'switch', title: 'single spikes do not flatten the rest' },
					this.#robust,
					'Cut spikes',
				),
				create(
					'span',
					{ class: 'zooms' },
					button('Zoom in', () => this.#chart.zoom(0.6)),
					button('Zoom out', () => this.#chart.zoom(1 / 0.6)),
					button('All', () => this.#chart.reset()),
				),
			),
			this.#chart.element,
			create('div', { class: 'bar' }, this.#compare, this.#overlays),
		)
		this.element.append(
			this.#head,
			this.#problem,
			this.#chartPanel,
			this.#none,
			this.#steps,
			this.#facts,
		)
	}

	/**
	 * @param {string} id
	 * @param {string} step '' for the latest
	 */
	async show(id, step) {
		if (id !== this.#id) {
			this.#chart.reset()
			this.#others.clear()
			this.#card = null
			this.element.setAttribute('aria-busy', 'true')
			this.#head.replaceChildren(create('h2', {}, id))
		}
		this.#id = id
		this.#step = step
		const turn = ++this.#turn
		try {
			const card = await readCard(step === '' ? id : `${id}@${step}`, POINTS)
			if (turn !== this.#turn) return
			this.#card = card
			this.#draw(card)
		} catch (error) {
			if (turn === this.#turn) this.#context.showError(error)
		} finally {
			if (turn === this.#turn) this.element.removeAttribute('aria-busy')
		}
	}

	/** A training has gone on. @param {import('./catalog-feed.js').Progress} progress */
	progress({ run }) {
		if (run === this.#id) this.#readAgain()
		if (this.#others.has(run)) this.#readOther(run)
	}

	#readAgain = paced(() => this.show(this.#id, this.#step), LIVE_MS)

	/** @param {Card} card */
	#draw(card) {
		const { reason, steps = [], metrics } = card
		this.#drawHead(card)
		this.#problem.hidden = !reason
		this.#problem.textContent = reason ?? ''
		const points = metrics?.points ?? []
		const scalars = scalarsOf(points)
		this.#chartPanel.hidden = scalars.length === 0
		this.#none.hidden = scalars.length > 0
		this.#none.textContent = metrics?.badLineCount
			? `Its metrics.jsonl has no line that can be read (${formatWhole(metrics.badLineCount)} are bad).`
			: 'It has no metrics.jsonl: nothing is known of its training.'
		this.#offerScalars(scalars)
		this.#offerRuns()
		this.#drawChart()
		this.#drawSteps(steps)
		this.#facts.replaceChildren(
			...factsOf(card).map(([name, value]) =>
				create('div', {}, create('dt', {}, name), create('dd', {}, value)),
			),
		)
	}

	/** @param {Card} card */
	#drawHead({ id, state = 'available', embedded, family }) {
		const isServed = state !== 'incomplete' && state !== 'damaged'
		const button = (/** @type {string} */ label, /** @type {() => void} */ act) => {
			const element = create('button', { type: 'button' }, label)
			element.addEventListener('click', act)
			return element
		}
		const actions = isServed
			? [
					button('Write', () => this.#context.go('write')),
					button('Chat', () => this.#context.go('chat')),
					state === 'loaded'
						? button('Unload', () => this.#change('unload'))
						: button('Load', () => this.#change('load')),
					// Models of other tools are in their own form already.
					...(family === 'alpha' ? [button('Export', () => this.#export())] : []),
				]
			: []
		const focused = this.#head.contains(document.activeElement)
			? document.activeElement?.textContent
			: null
		this.#head.replaceChildren(
			create('h2', {}, id),
			create(
				'span',
				{ class: 'state', 'data-state': state },
				`${STATES[state] ?? state}${embedded ? ', built in' : ''}`,
			),
			create('span', { class: 'actions' }, ...actions),
		)
		for (const action of actions) if (action.textContent === focused) action.focus()
	}

	/** Of the chosen step. */
	get #name() {
		return this.#step === '' ? this.#id : `${this.#id}@${this.#step}`
	}

	async #export() {
		const name = this.#name
		try {
			const file = await withSecret(async (authorization) => {
				const path = `api/models/${encodeURIComponent(name)}/export`
				this.#context.notify(`${name} is being written for other tools.`)
				return (await request(path, { headers: { authorization } })).blob()
			})
			if (file !== null) saveBlob(fileName(name.replace('@', '-'), 'tar'), file)
		} catch (error) {
			this.#context.showError(error)
		}
	}

	/** @param {'load' | 'unload'} what */
	async #change(what) {
		const name = this.#name
		try {
			const answer = await withSecret((authorization) =>
				request(`api/models/${encodeURIComponent(name)}/${what}`, {
					method: 'POST',
					headers: { authorization },
				}),
			)
			if (answer === null) return
			this.#context.notify(what === 'load' ? `${name} is in memory.` : `${name} is out of memory.`)
			this.show(this.#id, this.#step)
		} catch (error) {
			this.#context.showError(error)
		}
	}

	/** @param {{ key: string, label: string }[]} scalars */
	#offerScalars(scalars) {
		const chosen = this.#scalar.value || String(recall('scalar') ?? 'loss')
		this.#scalar.replaceChildren(
			...scalars.map(({ key, label }) => create('option', { value: key }, label)),
		)
		const has = scalars.some(({ key }) => key === chosen)
		this.#scalar.value = has ? chosen : (scalars[0]?.key ?? '')
	}

	#offerRuns() {
		const others = this.#context.runs().filter(({ id }) => id !== this.#id && !this.#others.has(id))
		this.#compare.replaceChildren(
			create('option', { value: '' }, 'Lay another run over it'),
			...others.slice(0, 500).map(({ id }) => create('option', { value: id }, id)),
		)
		this.#compare.disabled = others.length === 0 || this.#others.size >= COLORS.length - 1
		this.#overlays.replaceChildren(
			...[...this.#others.keys()].map((id) => {
				const chip = create(
					'button',
					{ type: 'button', class: 'quiet', title: `Take ${id} away` },
					`${id} ×`,
				)
				chip.addEventListener('click', () => {
					this.#others.delete(id)
					this.#offerRuns()
					this.#drawChart()
					this.#compare.focus()
				})
				return chip
			}),
		)
	}

	/** @param {string} id */
	async #layOver(id) {
		if (id === '') return
		this.#others.set(id, [])
		this.#offerRuns()
		await this.#readOther(id)
	}

	/** @param {string} id */
	async #readOther(id) {
		const card = await readCard(id, POINTS).catch(() => null)
		if (!this.#others.has(id)) return
		this.#others.set(id, card?.metrics?.points ?? [])
		this.#drawChart()
	}

	#lookChanged() {
		remember('chart', {
			smoothing: Number(this.#smoothing.value),
			log: this.#log.checked,
			robust: this.#robust.checked,
		})
		remember('scalar', this.#scalar.value)
		this.#drawChart()
	}

	#drawChart() {
		const card = this.#card
		const key = this.#scalar.value
		if (card === null || key === '') return
		const lines = linesOf(card.metrics?.points ?? [], key, COLORS[0] ?? '', '')
		for (const [i, [id, points]] of [...this.#others].entries()) {
			lines.push(...linesOf(points, key, COLORS[1 + i] ?? '', id))
		}
		this.#chart.draw(this.#scalar.selectedOptions[0]?.textContent ?? key, lines, {
			smoothing: Number(this.#smoothing.value),
			isLog: this.#log.checked,
			isRobust: this.#robust.checked,
			steps: card.steps ?? [],
			chosenStep: card.step,
		})
	}

	/** @param {number[]} steps */
	#drawSteps(steps) {
		const focused = this.#steps.contains(document.activeElement)
			? document.activeElement?.textContent
			: null
		this.#steps.hidden = steps.length === 0
		this.#steps.replaceChildren(
			create('span', { class: 'hint' }, steps.length === 1 ? 'Checkpoint' : 'Checkpoints'),
			...steps.toReversed().map((step) => {
				const isChosen = step === this.#card?.step
				const button = create(
					'button',
					{ type: 'button', 'aria-pressed': String(isChosen) },
					formatWhole(step),
				)
				button.addEventListener('click', () => this.#choose(step))
				return button
			}),
		)
		for (const button of this.#steps.querySelectorAll('button')) {
			if (button.textContent === focused) button.focus()
		}
	}

	/** @param {number} step */
	#choose(step) {
		const latest = this.#card?.steps?.at(-1)
		this.#context.chooseStep(step === latest ? '' : String(step))
	}
}

/**
 * The lines of one run; what a restart has left behind is a line of its own.
 * @param {Point[]} points
 * @param {string} key
 * @param {string} color
 * @param {string} name '' for the run of the card
 * @returns {Line[]}
 */
function linesOf(points, key, color, name) {
	const parts = partsOfTraining(points)
	const line = (
		/** @type {string} */ of,
		/** @type {string} */ label,
		/** @type {string} */ stroke,
	) =>
		parts.map((part, i) => {
			const isPast = i < parts.length - 1
			const names = [name, label, isPast ? `before restart ${i + 1}` : '']
			return {
				label: names.filter(Boolean).join(', '),
				color: stroke,
				isPast,
				points: part.flatMap((point) => {
					const value = /** @type {Record<string, unknown>} */ (point)[of]
					return typeof value === 'number' && Number.isFinite(value)
						? [{ step: point.step, value }]
						: []
				}),
			}
		})
	const has = (/** @type {Line} */ { points: own }) => own.length > 0
	if (key !== 'loss') return line(key, name === '' ? key : '', color).filter(has)
	const validation = line('valLoss', 'validation', name === '' ? '--run-2' : color)
	return [
		...line('loss', 'training', color),
		...validation.map((each) => ({ ...each, isDashed: name !== '' })),
	].filter(has)
}

/**
 * The facts of a card, in the order of interest; unknown ones are left out.
 * @param {Card} card
 * @returns {[string, string][]}
 */
function factsOf(card) {
	const { modelConfig: model, trainConfig: train } = card
	const number = (/** @type {unknown} */ value) =>
		typeof value === 'number' ? formatWhole(value) : ''
	const text = (/** @type {unknown} */ value) => (typeof value === 'string' ? value : '')
	const bytes = (/** @type {unknown} */ value) =>
		typeof value === 'number' ? formatBytes(value) : ''
	/** @type {[string, string][]} */
	const rows = [
		[
			'Parameters',
			typeof card.parameterCount === 'number' ? formatCompact(card.parameterCount) : '',
		],
		['Loss', typeof card.lastLoss === 'number' ? formatLoss(card.lastLoss) : ''],
		['Step', number(card.step)],
		['Domain', text(card.domain)],
		['Context', number(card.contextLength ?? model['blockSize'])],
		['Layers', number(model['nLayer'])],
		['Width', number(model['nEmbd'])],
		['Heads', number(model['nHead'])],
		['Vocabulary', number(card.tokenizer?.vocabSize ?? model['vocabSize'])],
		['Tokenizer', card.tokenizer?.type ?? text(train['tokenizer'])],
		['Chat', card.tokenizer?.hasChatTemplate ? 'own template' : ''],
		['Activation', text(model['ffnActivation'])],
		['Architecture', text(card.family)],
		['Format', text(card.format)],
		['Learning rate', typeof train['lr'] === 'number' ? String(train['lr']) : ''],
		['Batch', number(train['batchSize'])],
		['Optimizer', text(train['optimizer'])],
		['File', bytes(card.checkpointBytes)],
		['Memory', bytes(card.memoryBytes)],
	]
	return rows.filter(([, value]) => value !== '')
}
