/** What the page has to say above its views: errors, until their cause is gone, and news. */
import { ApiError } from './api.js'
import { byId } from './dom.js'
import { icon } from './icons.js'

/** News are read and forgotten. */
const NEWS_MS = 8000

export class Notices {
	#error = byId('error-notice', HTMLDivElement)
	#errorText = byId('error', HTMLParagraphElement)
	#retry = byId('error-retry', HTMLButtonElement)
	#notice = byId('notice', HTMLDivElement)
	/** @type {unknown} */
	#shown = null
	#onRetry = () => {}
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	#timer

	constructor() {
		const close = byId('error-close', HTMLButtonElement)
		close.append(icon('close'))
		close.addEventListener('click', () => this.showError(null))
		this.#retry.addEventListener('click', () => {
			const retry = this.#onRetry
			this.showError(null)
			retry()
		})
	}

	/**
	 * @param {unknown} error null takes the message away
	 * @param {() => void} [retry] what the user may want to do about it
	 */
	showError(error, retry) {
		this.#shown = error
		this.#errorText.textContent = error instanceof Error ? error.message : String(error ?? '')
		this.#retry.hidden = retry === undefined
		this.#onRetry = retry ?? (() => {})
		this.#error.hidden = error === null
	}

	/** The server answers: that it did not is no error any more. */
	serverAnswers() {
		if (this.#shown instanceof ApiError && this.#shown.isOffline) this.showError(null)
	}

	/** @param {string} text */
	notify(text) {
		clearTimeout(this.#timer)
		this.#notice.textContent = text
		this.#notice.hidden = false
		this.#timer = setTimeout(() => {
			this.#notice.hidden = true
		}, NEWS_MS)
	}
}
