/** A text of tokens on the page: drawn in batches, at a cost that does not grow with the text. */
import { create, paced } from './dom.js'

/** @typedef {import('./text-parts.js').Part} Part */

/**
 * A block ends at the first line end behind this many characters: what is appended lays out its own
 * block only, and blocks out of sight are not laid out at all.
 */
const BLOCK_CHARACTERS = 600

/** Parts that are drawn in one frame: a long text opens without a pause. */
const FRAME_PARTS = 1000

/**
 * Drawings are so far apart, those of a fast stream further: where the server runs on the same
 * processors each of them costs it tokens.
 */
const PACE_MS = 48
const FAST_PACE_MS = 100

/** A drawing of so many parts shows that the stream is faster than anybody reads. */
const FAST_PARTS = 60

/** So close to the end, in pixels, the view follows a text that grows. */
const FOLLOW_PIXELS = 80

/** Surprise, in bits, that gets the strongest of the colours 0 … 9. */
const BITS_MAX = 9

export class TokenText {
	element
	#scroller
	#parts
	/** One per part that has been drawn. @type {HTMLElement[]} */
	#drawn = []
	/** @type {WeakMap<Element, number>} */
	#places = new WeakMap()
	/** The block that grows. @type {HTMLElement | null} */
	#block = null
	#blockCharacters = 0
	#follows = true
	#isFast = false
	/** The part that the model reads from. @type {HTMLElement | null} */
	#mark = null

	/**
	 * @param {HTMLElement} element
	 * @param {HTMLElement} scroller around it
	 * @param {() => readonly Part[]} parts of the text as it is
	 */
	constructor(element, scroller, parts) {
		this.element = element
		this.#scroller = scroller
		this.#parts = parts
		// Asked here only: while a frame is being made the answer would cost a layout.
		scroller.addEventListener('scroll', () => {
			const { scrollHeight, scrollTop, clientHeight } = scroller
			this.#follows = scrollHeight - scrollTop - clientHeight < FOLLOW_PIXELS
		})
		element.addEventListener('copy', (event) => this.#copied(event))
	}

	/** Draws what has come behind what is drawn, soon and in one batch. */
	grow = paced(
		() => {
			const before = this.#drawn.length
			this.#draw(FRAME_PARTS)
			this.#isFast = this.#drawn.length - before >= FAST_PARTS
			if (this.#drawn.length < this.#parts().length) this.grow()
		},
		() => (this.#isFast ? FAST_PACE_MS : PACE_MS),
	)

	/** Draws all of it now. */
	finish() {
		this.#draw(Number.POSITIVE_INFINITY)
	}

	/** The view goes to the end and stays there. */
	follow() {
		this.#follows = true
	}

	/**
	 * Takes away what is drawn of the parts from a place on.
	 * @param {number} from
	 */
	cut(from) {
		const block = this.#drawn[from]?.parentElement
		if (!block) return
		while (block.nextSibling !== null) block.nextSibling.remove()
		for (const element of this.#drawn.splice(from)) {
			if (element.parentElement === block) element.remove()
		}
		this.#blockCharacters = block.textContent?.length ?? 0
		this.#block = this.#blockCharacters > 0 ? block : null
		if (this.#block === null) block.remove()
	}

	/**
	 * Which part an element shows; undefined for none.
	 * @param {Element} element
	 */
	placeOf(element) {
		return this.#places.get(element)
	}

	/**
	 * What shows a part.
	 * @param {number} place
	 */
	elementAt(place) {
		return this.#drawn[place]
	}

	/**
	 * Shows that the model reads from a part on; null: from the beginning.
	 * @param {number | null} place
	 */
	markFrom(place) {
		this.#mark?.classList.remove('window-start')
		this.#mark = (place === null ? undefined : this.#drawn[place]) ?? null
		this.#mark?.classList.add('window-start')
		const block = this.#mark?.parentElement ?? null
		let isUnread = block !== null
		for (const each of this.element.children) {
			if (each === block) isUnread = false
			each.classList.toggle('unread', isUnread)
		}
	}

	/** @param {number} partsMax */
	#draw(partsMax) {
		const parts = this.#parts()
		const end = Math.min(parts.length, this.#drawn.length + partsMax)
		if (end === this.#drawn.length) return
		for (let place = this.#drawn.length; place < end; place++) {
			const part = /** @type {Part} */ (parts[place])
			const element = partElement(part)
			this.#places.set(element, place)
			this.#drawn.push(element)
			this.#openBlock().append(element)
			this.#blockCharacters += part.text.length
			if (this.#blockCharacters >= BLOCK_CHARACTERS && part.text.endsWith('\n')) this.#block = null
		}
		if (this.#follows) this.#scroller.scrollTop = Number.MAX_SAFE_INTEGER
	}

	#openBlock() {
		if (this.#block === null) {
			this.#block = create('div', { class: 'block' })
			this.#blockCharacters = 0
			this.element.append(this.#block)
		}
		return this.#block
	}

	/** Blocks are no paragraphs: what is copied has the line ends of the text. @param {ClipboardEvent} event */
	#copied(event) {
		const selection = getSelection()
		if (selection === null || selection.isCollapsed || event.clipboardData === null) return
		event.clipboardData.setData(
			'text/plain',
			selection.getRangeAt(0).cloneContents().textContent ?? '',
		)
		event.preventDefault()
	}
}

/** @param {Part} part */
function partElement({ text, detail, isTyped }) {
	const element = document.createElement('span')
	element.className = detail !== null ? 'token' : isTyped ? 'typed' : 'plain'
	if (detail !== null) {
		const bits = Math.min(BITS_MAX, -detail.logprob / Math.LN2)
		element.dataset['heat'] = String(Math.round(bits))
	}
	element.textContent = text
	return element
}
