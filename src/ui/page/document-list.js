/** The documents of this browser: found, opened, renamed, deleted and brought back. */
import { changeHead, listDocuments, onWritten } from './document-store.js'
import { create } from './dom.js'
import { iconButton } from './icons.js'

/** @typedef {import('./document-store.js').Head} Head */

const date = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })

export class DocumentList {
	#dialog = create('dialog', { class: 'documents' })
	#search = create('input', { type: 'search', placeholder: 'Search', 'aria-label': 'Search' })
	#rows = create('ul', {})
	#kind
	#open
	/** The open document. */
	#current = ''

	/**
	 * @param {'text' | 'chat'} kind
	 * @param {string} title
	 * @param {(id: string) => void} open
	 */
	constructor(kind, title, open) {
		this.#kind = kind
		this.#open = open
		const close = iconButton('close', 'Close', () => this.#dialog.close())
		this.#dialog.setAttribute('aria-label', title)
		this.#dialog.append(
			create('header', {}, create('h2', {}, title), this.#search, close),
			this.#rows,
			create(
				'p',
				{ class: 'hint' },
				'They are kept in this browser. What is deleted can be brought back for a week.',
			),
		)
		document.body.append(this.#dialog)
		this.#search.addEventListener('input', () => this.#draw())
		onWritten(() => {
			if (this.#dialog.open) this.#draw()
		})
	}

	/** @param {string} current id of the open document */
	show(current) {
		this.#current = current
		this.#search.value = ''
		this.#dialog.showModal()
		this.#draw()
	}

	async #draw() {
		const wanted = this.#search.value.trim().toLowerCase()
		const heads = await listDocuments(this.#kind).catch(() => [])
		const found = heads.filter(({ title, excerpt }) =>
			`${title} ${excerpt}`.toLowerCase().includes(wanted),
		)
		const none =
			wanted === '' ? 'Nothing has been written yet.' : `Nothing has “${this.#search.value}” in it.`
		this.#rows.replaceChildren(
			...(found.length === 0
				? [create('li', { class: 'hint' }, none)]
				: found.map((head) => this.#row(head))),
		)
	}

	/** @param {Head} head */
	#row(head) {
		const name = head.title || head.excerpt || 'Untitled'
		if (head.deletedMs !== null) {
			const restore = create('button', { type: 'button' }, 'Bring back')
			restore.addEventListener('click', () => this.#change(head.id, { deletedMs: null }))
			return create('li', { class: 'deleted' }, create('span', {}, name), restore)
		}
		const open = create(
			'button',
			{
				type: 'button',
				class: 'open',
				...(head.id === this.#current ? { 'aria-current': 'true' } : {}),
			},
			create('b', {}, name),
			create('small', {}, [date.format(head.updatedMs), head.model].filter(Boolean).join(' · ')),
		)
		open.addEventListener('click', () => {
			this.#dialog.close()
			this.#open(head.id)
		})
		const row = create('li', {}, open)
		row.append(
			iconButton('edit', `Rename ${name}`, () => this.#rename(row, head)),
			iconButton('trash', `Delete ${name}`, () => this.#change(head.id, { deletedMs: Date.now() })),
		)
		return row
	}

	/**
	 * @param {HTMLElement} row
	 * @param {Head} head
	 */
	#rename(row, head) {
		const input = create('input', { type: 'text', 'aria-label': 'Name', maxlength: '120' })
		input.value = head.title || head.excerpt
		const form = create('form', {}, input, create('button', {}, 'Rename'))
		form.addEventListener('submit', (event) => {
			event.preventDefault()
			this.#change(head.id, { title: input.value.trim() })
		})
		row.replaceChildren(form)
		input.select()
	}

	/**
	 * @param {string} id
	 * @param {Parameters<typeof changeHead>[1]} changes
	 */
	async #change(id, changes) {
		await changeHead(id, changes)
		await this.#draw()
		this.#search.focus()
	}
}
