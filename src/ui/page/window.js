/** How long a text is in tokens, and how much of it the model reads. */
import { request } from './api.js'

const whole = new Intl.NumberFormat('en')

/** Texts are counted after a pause so long. */
const LOOK_MS = 500

/** The server counts no longer texts. */
const CHARACTERS_MAX = 400_000

export class Window {
	/** Characters of the text that are in front of what was read; null when all of it was. @type {number | null} */
	from = null
	#element
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	#timer
	#model = ''
	/** @type {() => string} */
	#textNow = () => ''
	#looks = 0
	#shown = ''
	/** Called when `from` has changed. */
	onMove = () => {}

	/** @param {HTMLElement} element that tells it */
	constructor(element) {
		this.#element = element
	}

	/**
	 * The text is another one; it is counted when it rests.
	 * @param {string} model
	 * @param {() => string} textNow
	 */
	look(model, textNow) {
		this.#model = model
		this.#textNow = textNow
		this.#looks++
		clearTimeout(this.#timer)
		this.#timer = setTimeout(() => this.#count(), LOOK_MS)
	}

	async #count() {
		const [model, text, looks] = [this.#model, this.#textNow(), this.#looks]
		// To count loads the model: not for a text that nobody looks at.
		if (model === '' || this.#element.offsetParent === null) return
		if (text === '') this.#element.textContent = ''
		if (text === '' || `${model}\n${text}` === this.#shown) return
		if (text.length > CHARACTERS_MAX) {
			this.#element.textContent = `${whole.format(text.length)} characters`
			return
		}
		const body = { model, prompt: text, return_token_strs: true }
		const headers = { 'content-type': 'application/json' }
		const answer = await request('tokenize', {
			method: 'POST',
			headers,
			body: JSON.stringify(body),
		})
			.then((response) => response.json())
			.catch(() => null)
		if (answer === null || looks !== this.#looks) return
		this.#shown = `${model}\n${text}`
		const { count, max_model_len: contextLength, token_strs: tokens } = answer
		// The last place of the context is for the token that follows.
		const readable = contextLength - 1
		const isCut = count > readable
		this.#element.textContent = isCut
			? `${whole.format(count)} tokens, the model reads the last ${whole.format(readable)}`
			: `${whole.format(count)} of ${whole.format(contextLength)} tokens`
		const read = isCut ? tokens.slice(-readable).join('') : null
		const from = read !== null && text.endsWith(read) ? text.length - read.length : null
		if (from === this.from) return
		this.from = from
		this.onMove()
	}
}
