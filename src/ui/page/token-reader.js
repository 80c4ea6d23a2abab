/** A text of tokens under the pointer and the arrow keys: what else each might have been. */
import { Alternatives } from './alternatives.js'
import { textOf } from './text-parts.js'

/** @typedef {import('./text-parts.js').Part} Part */

/**
 * @typedef {{ parts: () => readonly Part[], isBusy: () => boolean,
 *   fork: (place: number, token: string) => void, edit: (caret: number) => void }} ReaderActions
 *   `fork`: go on from another token; `edit`: go on typing at a character
 */

export class TokenReader {
	#alternatives = new Alternatives()
	#text
	#actions
	/** The part that the keyboard is at. @type {number | null} */
	#selected = null

	/**
	 * @param {import('./token-text.js').TokenText} text
	 * @param {ReaderActions} actions
	 */
	constructor(text, actions) {
		this.#text = text
		this.#actions = actions
		text.element.addEventListener('click', ({ target }) => this.#clicked(target))
		text.element.addEventListener('keydown', (event) => this.#moved(event))
	}

	/** @returns {boolean} whether there was anything to close */
	close() {
		const wasOpen = this.#alternatives.isOpen
		this.#alternatives.close()
		return wasOpen
	}

	/** @param {number | null} place of the part that the keyboard is at */
	select(place) {
		if (this.#selected !== null) {
			this.#text.elementAt(this.#selected)?.classList.remove('selected')
		}
		this.#selected = place
		if (place === null) return
		const element = this.#text.elementAt(place)
		element?.classList.add('selected')
		element?.scrollIntoView({ block: 'nearest' })
	}

	/** @param {EventTarget | null} target */
	#clicked(target) {
		if (!(target instanceof HTMLElement)) return
		const place = this.#text.placeOf(target) ?? -1
		const parts = this.#actions.parts()
		const part = parts[place]
		if (part === undefined || this.#actions.isBusy()) return
		if (part.detail !== null) {
			this.#alternatives.open(target, part.detail, (token) => this.#actions.fork(place, token))
		} else if (getSelection()?.isCollapsed) {
			const before = textOf(parts.slice(0, place)).length
			this.#actions.edit(before + (getSelection()?.focusOffset ?? 0))
		}
	}

	/** Arrow keys walk over the tokens, Enter opens one. @param {KeyboardEvent} event */
	#moved(event) {
		if (event.ctrlKey || event.metaKey || event.altKey) return
		const at = this.#selected ?? -1
		if (event.key === 'Enter' && at >= 0) {
			this.#clicked(this.#text.elementAt(at) ?? null)
		} else if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') {
			const parts = this.#actions.parts()
			const isToken = (/** @type {Part} */ part) => part.detail !== null
			const next =
				event.key === 'ArrowRight'
					? parts.findIndex((part, place) => place > at && isToken(part))
					: parts.findLastIndex((part, place) => place < at && isToken(part))
			if (next >= 0) this.select(next)
		} else {
			return
		}
		event.preventDefault()
	}
}
