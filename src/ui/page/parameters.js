/** The panel of sampling parameters. Values survive a reload, and come back with each document. */
import { byId, create } from './dom.js'
import { recall, remember } from './storage.js'

/**
 * @typedef {{ name: string, label: string, min: number, max: number, step: number, value: number,
 *   help: string, isRare?: boolean }} Parameter `value` is the default; rare ones are sent only when
 *   they differ from it
 */

/** @type {Parameter[]} */
const PARAMETERS = [
	{
		name: 'temperature',
		label: 'Temperature',
		min: 0,
		max: 2,
		step: 0.05,
		value: 0.8,
		help: '0 always takes the likeliest token; higher is more daring',
	},
	{
		name: 'top_k',
		label: 'Top-k',
		min: 0,
		max: 200,
		step: 1,
		value: 40,
		help: 'draw from the k likeliest tokens; 0 from all',
	},
	{
		name: 'top_p',
		label: 'Top-p',
		min: 0.01,
		max: 1,
		step: 0.01,
		value: 1,
		help: 'draw from the likeliest tokens with this much probability together',
	},
	{
		name: 'max_tokens',
		label: 'Max tokens',
		min: 1,
		max: 2048,
		step: 1,
		value: 200,
		help: 'length of a continuation',
	},
	{
		name: 'min_p',
		label: 'Min-p',
		min: 0,
		max: 1,
		step: 0.01,
		value: 0,
		help: 'leave out tokens less likely than this share of the likeliest',
		isRare: true,
	},
	{
		name: 'repetition_penalty',
		label: 'Repetition',
		min: 0.5,
		max: 2,
		step: 0.01,
		value: 1,
		help: 'above 1: tokens that the text has already are less likely',
		isRare: true,
	},
	{
		name: 'presence_penalty',
		label: 'Presence',
		min: -2,
		max: 2,
		step: 0.1,
		value: 0,
		help: 'taken once from tokens that have been written',
		isRare: true,
	},
	{
		name: 'frequency_penalty',
		label: 'Frequency',
		min: -2,
		max: 2,
		step: 0.1,
		value: 0,
		help: 'taken from tokens as often as they have been written',
		isRare: true,
	},
]

/** How many alternatives a token has unless the user wants another number. */
const ALTERNATIVES = {
	name: 'alternatives',
	label: 'Alternatives',
	min: 0,
	max: 20,
	step: 1,
	value: 5,
}

/** The server takes no more stop texts. */
const STOPS_MAX = 64

const SEED_MAX = 1_000_000

export class ParameterPanel {
	/** @type {Map<string, HTMLInputElement>} */
	#inputs = new Map()
	#seed = create('input', {
		type: 'text',
		inputmode: 'numeric',
		id: 'p-seed',
		placeholder: 'random',
		pattern: '-?[0-9]{1,15}',
		title: 'the same seed gives the same text',
	})
	#keep = create('input', { type: 'checkbox', id: 'p-keep' })
	#stop = create('textarea', {
		id: 'p-stop',
		rows: '2',
		spellcheck: 'false',
		placeholder: 'one a line; \\n is a line end',
	})
	#onChange

	/** @param {() => void} onChange */
	constructor(onChange) {
		this.#onChange = onChange
		const form = byId('parameter-form', HTMLFormElement)
		const rare = create('details', { class: 'more' }, create('summary', {}, 'More'))
		for (const parameter of PARAMETERS) {
			;(parameter.isRare ? rare : form).append(this.#row(parameter))
		}
		const reset = create('button', { type: 'button', class: 'quiet' }, 'Reset')
		reset.addEventListener('click', () => {
			this.restore({})
			this.#changed()
		})
		for (const input of [this.#seed, this.#stop]) {
			input.addEventListener('input', () => this.#changed())
		}
		this.#keep.addEventListener('change', () => this.#changed())
		const keep = create(
			'label',
			{ class: 'switch', title: 'use the seed that was drawn again and again' },
			this.#keep,
			'keep',
		)
		const alternatives = { ...ALTERNATIVES, help: 'what else a token might have been' }
		rare.append(
			this.#row(alternatives),
			create(
				'div',
				{ class: 'row tall' },
				create('label', { for: 'p-stop' }, 'Stop at'),
				this.#stop,
			),
		)
		form.append(
			create('div', { class: 'row' }, create('label', { for: 'p-seed' }, 'Seed'), this.#seed, keep),
			rare,
			reset,
		)
		form.addEventListener('submit', (event) => event.preventDefault())
		const stored = recall('parameters')
		this.restore(typeof stored === 'object' && stored !== null ? { ...stored } : {})
		rare.open = this.#stop.value !== '' || Object.keys(this.values()).length > 4
	}

	/** The fields of a request, but for the seed. */
	values() {
		/** @type {Record<string, unknown>} */
		const values = {}
		for (const { name, value, isRare } of PARAMETERS) {
			const given = Number(this.#inputs.get(name)?.value)
			if (!isRare || given !== value) values[name] = given
		}
		const stop = this.#stop.value
			.split('\n')
			.filter((line) => line !== '')
			.map((line) => line.replaceAll('\\n', '\n').replaceAll('\\t', '\t'))
			.slice(0, STOPS_MAX)
		if (stop.length > 0) values['stop'] = stop
		return values
	}

	/** How many alternatives each token shall have. */
	alternatives() {
		return Number(this.#inputs.get(ALTERNATIVES.name)?.value)
	}

	/** The user's seed, null for none. */
	seed() {
		const text = this.#seed.value.trim()
		return /^-?\d{1,15}$/.test(text) ? Number(text) : null
	}

	/** The user's seed, or one that is drawn, and kept if the user wants that. */
	drawSeed() {
		const given = this.seed()
		if (given !== null) return given
		const drawn = Math.floor(Math.random() * SEED_MAX)
		if (this.#keep.checked) this.pinSeed(drawn)
		return drawn
	}

	/** @param {number} seed from now on */
	pinSeed(seed) {
		this.#seed.value = String(seed)
		this.#changed()
	}

	/** All that `restore` takes. */
	state() {
		return {
			...this.values(),
			alternatives: this.alternatives(),
			stops: this.#stop.value,
			keepsSeed: this.#keep.checked,
			seed: this.#seed.value,
		}
	}

	/**
	 * Takes values as they were; what is missing becomes the default. Nobody is told.
	 * @param {Record<string, unknown>} state
	 */
	restore(state) {
		for (const { name, value } of [...PARAMETERS, ALTERNATIVES]) {
			const given = state[name]
			const input = this.#inputs.get(name)
			if (input === undefined) continue
			input.value = String(typeof given === 'number' ? given : value)
			input.dispatchEvent(new Event('restore'))
		}
		this.#stop.value = typeof state['stops'] === 'string' ? state['stops'] : ''
		this.#keep.checked = state['keepsSeed'] === true
		this.#seed.value = typeof state['seed'] === 'string' ? state['seed'] : ''
	}

	/** @param {Parameter} parameter */
	#row({ name, label, min, max, step, value, help }) {
		const bounds = { min: String(min), max: String(max), step: String(step) }
		const slider = create('input', { type: 'range', id: `p-${name}`, title: help, ...bounds })
		const number = create('input', { type: 'number', 'aria-label': label, title: help, ...bounds })
		const settle = () => {
			const next = number.value === '' ? value : Number(number.value)
			number.value = String(Math.min(max, Math.max(min, next)))
			slider.value = number.value
		}
		slider.addEventListener('input', () => {
			number.value = slider.value
			this.#changed()
		})
		number.addEventListener('restore', settle)
		number.addEventListener('change', () => {
			settle()
			this.#changed()
		})
		this.#inputs.set(name, number)
		return create(
			'div',
			{ class: 'row' },
			create('label', { for: `p-${name}`, title: help }, label),
			slider,
			number,
		)
	}

	#changed() {
		remember('parameters', this.state())
		this.#onChange()
	}
}
