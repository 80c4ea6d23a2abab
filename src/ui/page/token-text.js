/** A text of tokens on the page: drawn in batches, at a cost that does not grow with the text. */
import { afterFrame, create, paced } from './dom.js'
import { placeAt, textOf } from './text-parts.js'

/**
 * @typedef {import('./text-parts.js').Part} Part
 * @typedef {{ node: Text, parts: Part[] }} PlainText
 */

/**
 * A block ends at the first line end behind this many characters: what is appended lays out its own
 * block only, and blocks out of sight are not laid out at all.
 */
const BLOCK_CHARACTERS = 600

/** So many blocks from the end one is far from what is looked at while a text grows. */
const FAR_BLOCKS = 8

/** Parts that are drawn in one frame: a long text opens without a pause. */
const FRAME_PARTS = 1000

/**
 * Drawings are so far apart, those of a fast stream further: where the server runs on the same
 * processors each of them costs it tokens.
 */
const PACE_MS = 48
const FAST_PACE_MS = 250

/** A drawing of so many parts shows that the stream is faster than anybody reads. */
const FAST_PARTS = 60

/** Behind a rest of so many milliseconds a drawing shows nothing of that: the last stream's speed is the best guess. */
const REST_MS = 1000

/** So close to the end, in pixels, the view follows a text that grows. */
const FOLLOW_PIXELS = 80

/** Surprise, in bits, that gets the strongest of the colours 0 … 9. */
const BITS_MAX = 9

export class TokenText {
	element
	#scroller
	#parts
	/** One per part that has been drawn as an element. @type {HTMLElement[]} */
	#drawn = []
	/** Parts behind those, drawn as text: a node per block. @type {PlainText[]} */
	#plain = []
	/** Parts that have been drawn, in either way. */
	#end = 0
	#drawsTokens = true
	/** Called when what has come was drawn: what else is shown of it costs no frame of its own. */
	onDrawn = () => {}
	/** @type {WeakMap<Element, number>} */
	#places = new WeakMap()
	/** The block that grows. @type {HTMLElement | null} */
	#block = null
	#blockCharacters = 0
	#follows = true
	#isFast = false
	#drawnMs = Number.NEGATIVE_INFINITY
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
	grow() {
		if (this.#end < this.#parts().length) this.#drawSoon()
	}

	#drawSoon = paced(
		() => {
			const drawn = this.#draw(FRAME_PARTS)
			if (drawn === 0) return
			const nowMs = performance.now()
			if (nowMs - this.#drawnMs < REST_MS) this.#isFast = drawn >= FAST_PARTS
			this.#drawnMs = nowMs
			this.onDrawn()
			this.#scroll()
			this.grow()
		},
		() => (this.#isFast ? FAST_PACE_MS : PACE_MS),
	)

	/**
	 * Whether each token is an element, which has its heat and can be asked; else what comes is drawn as
	 * text, which costs the browser less, until the first frame after tokens are wanted.
	 * @param {boolean} areWanted
	 */
	set drawsTokens(areWanted) {
		this.#drawsTokens = areWanted
		if (!areWanted || this.#plain.length === 0) return
		afterFrame(() => {
			if (this.#drawsTokens) this.#makeTokens()
		})
	}

	/** Draws all of it now; the view follows in the frame that shows it, which has a layout anyway. */
	finish() {
		if (this.#draw(Number.POSITIVE_INFINITY) > 0) requestAnimationFrame(() => this.#scroll())
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
		if (from >= this.#end) return
		const block = this.elementAt(from)?.parentElement
		if (!block) return
		while (block.nextSibling !== null) block.nextSibling.remove()
		for (const element of this.#drawn.splice(from)) {
			if (element.parentElement === block) element.remove()
		}
		this.#blockCharacters = block.textContent?.length ?? 0
		this.#block = this.#blockCharacters > 0 ? block : null
		if (this.#block === null) block.remove()
		this.#end = from
	}

	/**
	 * Which part an element shows; undefined for none.
	 * @param {Element} element
	 */
	placeOf(element) {
		return this.#places.get(element)
	}

	/**
	 * What shows a part; undefined when it is not drawn yet.
	 * @param {number} place
	 */
	elementAt(place) {
		if (place >= this.#drawn.length) this.#makeTokens()
		return this.#drawn[place]
	}

	/**
	 * Shows that the model reads from a part on; null: from the beginning.
	 * @param {number | null} place
	 */
	markFrom(place) {
		this.#mark?.classList.remove('window-start')
		this.#mark = (place === null ? undefined : this.elementAt(place)) ?? null
		this.#mark?.classList.add('window-start')
		const block = this.#mark?.parentElement ?? null
		let isUnread = block !== null
		for (const each of this.element.children) {
			if (each === block) isUnread = false
			each.classList.toggle('unread', isUnread)
		}
	}

	/** @param {number} partsMax @returns {number} parts that were drawn */
	#draw(partsMax) {
		const parts = this.#parts()
		const begin = this.#end
		const end = Math.min(parts.length, begin + partsMax)
		while (this.#end < end) {
			const block = this.#openBlock()
			const from = this.#end
			while (this.#end < end && this.#block !== null) {
				const { text } = /** @type {Part} */ (parts[this.#end++])
				this.#blockCharacters += text.length
				if (this.#blockCharacters >= BLOCK_CHARACTERS && text.endsWith('\n')) this.#block = null
			}
			this.#append(block, parts.slice(from, this.#end))
		}
		return end - begin
	}

	#scroll() {
		if (this.#follows) this.#scroller.scrollTop = Number.MAX_SAFE_INTEGER
	}

	/**
	 * @param {HTMLElement} block
	 * @param {Part[]} parts
	 */
	#append(block, parts) {
		if (this.#drawsTokens || parts.some(({ isTyped }) => isTyped)) {
			this.#makeTokens()
			block.append(this.#newElements(parts))
			return
		}
		const last = this.#plain.at(-1)
		if (last?.node.parentNode === block) {
			last.node.appendData(textOf(parts))
			for (const part of parts) last.parts.push(part)
		} else {
			const node = document.createTextNode(textOf(parts))
			block.append(node)
			this.#plain.push({ node, parts })
		}
	}

	/** Elements of the parts behind those that have one. @param {Part[]} parts */
	#newElements(parts) {
		const elements = document.createDocumentFragment()
		for (const part of parts) {
			const element = partElement(part)
			this.#places.set(element, this.#drawn.length)
			this.#drawn.push(element)
			elements.append(element)
		}
		return elements
	}

	/** What was drawn as text becomes elements; what is selected of it stays selected. */
	#makeTokens() {
		if (this.#plain.length === 0) return
		const selection = getSelection()
		const isSelected =
			selection !== null && this.#plain.some(({ node }) => selection.containsNode(node, true))
		const anchor =
			isSelected && this.#laterPoint(selection.anchorNode ?? this.element, selection.anchorOffset)
		const focus =
			isSelected && this.#laterPoint(selection.focusNode ?? this.element, selection.focusOffset)
		for (const { node, parts } of this.#plain.splice(0)) {
			node.replaceWith(this.#newElements(parts))
		}
		if (anchor && focus) selection?.setBaseAndExtent(...anchor(), ...focus())
	}

	/**
	 * A point of the page, as it will be once text has become elements.
	 * @param {Node} node
	 * @param {number} offset
	 * @returns {() => [Node, number]}
	 */
	#laterPoint(node, offset) {
		let first = this.#drawn.length
		for (const text of this.#plain) {
			if (text.node === node) {
				const { place, within } = placeAt(text.parts, offset)
				const at = first + place
				return () => {
					const child = this.#drawn[at]?.firstChild
					return child ? [child, within] : [this.element, this.element.childNodes.length]
				}
			}
			first += text.parts.length
		}
		return () => [node, offset]
	}

	#openBlock() {
		if (this.#block === null) {
			this.#block = create('div', { class: 'block' })
			this.#blockCharacters = 0
			this.element.append(this.#block)
			this.element.children[this.element.children.length - FAR_BLOCKS]?.classList.add('far')
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
