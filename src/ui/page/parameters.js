import { byId, create } from './dom.js'
import { recall, remember } from './storage.js'

/**
 * @typedef {{ name: string, label: string, min: number, max: number, step: number, value: number,
 *   help: string }} Parameter `value` is the default
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
]

/** The panel of sampling parameters. Values survive a reload. */
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
	#onChange

	/** @param {() => void} onChange */
	constructor(onChange) {
		this.#onChange = onChange
		const form = byId('parameter-form', HTMLFormElement)
		const stored = /** @type {Record<string, unknown>} */ (recall('parameters') ?? {})
		for (const parameter of PARAMETERS) form.append(this.#row(parameter, stored[parameter.name]))
		const reset = create('button', { type: 'button', class: 'quiet' }, 'Reset')
		reset.addEventListener('click', () => this.#reset())
		this.#seed.addEventListener('input', () => this.#changed())
		form.append(
			create('div', { class: 'row' }, create('label', { for: 'p-seed' }, 'Seed'), this.#seed),
			reset,
		)
		form.addEventListener('submit', (event) => event.preventDefault())
	}

	/** The fields of a request; without a seed of the user's, one is drawn. */
	values() {
		/** @type {Record<string, number>} */
		const values = {}
		for (const [name, input] of this.#inputs) values[name] = Number(input.value)
		values['seed'] = this.seed() ?? Math.floor(Math.random() * 1e6)
		return values
	}

	/** The user's seed, null for none. */
	seed() {
		const text = this.#seed.value.trim()
		return /^-?\d{1,15}$/.test(text) ? Number(text) : null
	}

	/** @param {number} seed from now on */
	pinSeed(seed) {
		this.#seed.value = String(seed)
		this.#changed()
	}

	/**
	 * @param {Parameter} parameter
	 * @param {unknown} stored
	 */
	#row({ name, label, min, max, step, value, help }, stored) {
		const bounds = { min: String(min), max: String(max), step: String(step) }
		const slider = create('input', { type: 'range', id: `p-${name}`, title: help, ...bounds })
		const number = create('input', { type: 'number', 'aria-label': label, title: help, ...bounds })
		const set = (/** @type {number} */ next) => {
			const clamped = Math.min(max, Math.max(min, Number.isFinite(next) ? next : value))
			slider.value = String(clamped)
			number.value = String(clamped)
		}
		set(typeof stored === 'number' ? stored : value)
		slider.addEventListener('input', () => {
			number.value = slider.value
			this.#changed()
		})
		number.addEventListener('change', () => {
			set(number.value === '' ? Number.NaN : Number(number.value))
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

	#reset() {
		for (const { name, value } of PARAMETERS) {
			const input = this.#inputs.get(name)
			if (input === undefined) continue
			input.value = String(value)
			input.dispatchEvent(new Event('change'))
		}
		this.#seed.value = ''
		this.#changed()
	}

	#changed() {
		const { seed: _, ...stored } = this.values()
		remember('parameters', stored)
		this.#onChange()
	}
}
