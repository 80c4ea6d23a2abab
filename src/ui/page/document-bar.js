/** The line above a text or a chat: its name, undo and redo, and where the other ones are. */
import { DocumentList } from './document-list.js'
import { create, disable } from './dom.js'
import { iconButton } from './icons.js'
import { menu } from './menu.js'

/**
 * What the bar asks its view for.
 * @typedef {{ kind: 'text' | 'chat', listTitle: string, newLabel: string, open: (id: string) => void, create: () => void,
 *   undo: () => void, redo: () => void, rename: (title: string) => void,
 *   entries: { label: string, act: () => void }[] }} BarActions
 */

export class DocumentBar {
	#title = create('input', { type: 'text', class: 'title', 'aria-label': 'Name', maxlength: '120' })
	#undo
	#redo
	#fresh
	/** @type {import('./document.js').StoredDocument<any> | null} */
	#shown = null

	/**
	 * @param {HTMLElement} element
	 * @param {BarActions} actions
	 */
	constructor(element, actions) {
		const list = new DocumentList(actions.kind, actions.listTitle, actions.open)
		this.#undo = iconButton('undo', 'Undo (Ctrl Z)', actions.undo)
		this.#redo = iconButton('redo', 'Redo (Ctrl Shift Z)', actions.redo)
		this.#fresh = iconButton('plus', actions.newLabel, actions.create)
		this.#title.addEventListener('change', () => actions.rename(this.#title.value.trim()))
		this.#title.addEventListener('keydown', ({ key }) => {
			if (key === 'Enter' || key === 'Escape') this.#title.blur()
		})
		element.append(
			iconButton('list', actions.listTitle, () => list.show(this.#shown?.head.id ?? '')),
			this.#title,
			this.#undo,
			this.#redo,
			this.#fresh,
			menu('More', actions.entries),
		)
	}

	/**
	 * @param {import('./document.js').StoredDocument<any>} shown
	 * @param {boolean} isRunning
	 */
	update(shown, isRunning) {
		this.#shown = shown
		if (document.activeElement !== this.#title) this.#title.value = shown.head.title
		this.#title.placeholder = shown.name || 'Untitled'
		disable(this.#undo, isRunning || !shown.canUndo, this.#title)
		disable(this.#redo, isRunning || !shown.canRedo, this.#title)
		disable(this.#fresh, isRunning, this.#title)
	}
}
