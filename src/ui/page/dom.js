/** Small helpers over the DOM. Text is only ever set as text: nothing here parses HTML. */

/**
 * The element with this id, of this class.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
	const element = document.getElementById(id)
	if (element instanceof type) return element
	throw new Error(`the page has no ${type.name} #${id}`)
}

/**
 * A new HTML element with attributes and children; strings become text.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function create(tag, attributes = {}, ...children) {
	const element = document.createElement(tag)
	for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
	element.append(...children)
	return element
}

/**
 * A new SVG element with attributes and children.
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {(Node | string)[]} children
 */
export function createSvg(tag, attributes = {}, ...children) {
	const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
	for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value))
	element.append(...children)
	return element
}

/**
 * Shows one element instead of another, which may have the focus: that is not lost.
 * @param {HTMLElement} shown
 * @param {HTMLElement} hidden
 */
export function swap(shown, hidden) {
	shown.hidden = false
	if (hidden.contains(document.activeElement)) shown.focus({ preventScroll: true })
	hidden.hidden = true
}

/**
 * Enables or disables a button; if it had the focus, that goes elsewhere.
 * @param {HTMLButtonElement} button
 * @param {boolean} isDisabled
 * @param {HTMLElement} instead
 */
export function disable(button, isDisabled, instead) {
	const hadFocus = button === document.activeElement
	button.disabled = isDisabled
	if (isDisabled && hadFocus) instead.focus({ preventScroll: true })
}

/**
 * Calls of the result call `draw` with a frame that comes soon: the next one, unless the last drawing
 * is less than so many milliseconds ago.
 * @param {() => void} draw
 * @param {number | (() => number)} pace
 */
export function paced(draw, pace) {
	let isWaiting = false
	let lastMs = Number.NEGATIVE_INFINITY
	const nextFrame = () =>
		requestAnimationFrame((nowMs) => {
			isWaiting = false
			lastMs = nowMs
			draw()
		})
	return () => {
		if (isWaiting) return
		isWaiting = true
		const waitMs = lastMs + (typeof pace === 'number' ? pace : pace()) - performance.now()
		if (waitMs > 0) setTimeout(nextFrame, waitMs)
		else nextFrame()
	}
}

/**
 * Does what can wait until the frame that is due has been shown.
 * @param {() => void} work
 */
export function afterFrame(work) {
	requestAnimationFrame(() => setTimeout(work))
}

/**
 * Puts text on the clipboard. Throws when the browser refuses.
 * @param {string} text
 */
async function writeClipboard(text) {
	// Browsers keep their clipboard from pages over plain http; the old way still works there.
	if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text)
	const active = document.activeElement
	const field = create('textarea', { class: 'offscreen', 'aria-hidden': 'true' })
	field.value = text
	;(active?.closest('dialog') ?? document.body).append(field)
	field.select()
	const isCopied = document.execCommand('copy')
	field.remove()
	if (active instanceof HTMLElement) active.focus({ preventScroll: true })
	if (!isCopied) throw new Error('The browser refuses.')
}

/**
 * Puts text on the clipboard and says so on the button for a moment.
 * @param {HTMLButtonElement} button
 * @param {string} text
 */
export async function copyText(button, text) {
	if (button.dataset['says'] === 'copied') return
	button.dataset['says'] = 'copied'
	const content = [...button.childNodes]
	const said = await writeClipboard(text).then(
		() => 'Copied',
		() => 'The browser refuses',
	)
	button.replaceChildren(said)
	setTimeout(() => {
		delete button.dataset['says']
		button.replaceChildren(...content)
	}, 1200)
}
