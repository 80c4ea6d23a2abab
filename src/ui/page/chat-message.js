/** One message of a chat, and what can be done with it. */
import { copyText, create } from './dom.js'
import { iconButton } from './icons.js'

/** @typedef {import('./chat.js').Message} Message */

/**
 * @typedef {{ copied: () => string, save: (content: string) => void, remove: () => void, branch: () => void,
 *   goOn: () => void }} MessageActions
 */

const NAMES = { system: 'System', user: 'You', assistant: 'Model' }

export class MessageView {
	message
	element
	#content = create('div', { class: 'content' })
	/** What grows; a message is appended to, never written again. */
	#text = document.createTextNode('')
	#tools
	#actions

	/**
	 * @param {Message} message
	 * @param {MessageActions} actions
	 */
	constructor(message, actions) {
		this.message = message
		this.#actions = actions
		this.#content.append(this.#text)
		const name = NAMES[message.role]
		const copy = iconButton('copy', 'Copy', () => copyText(copy, actions.copied()))
		const [goOn, label] =
			message.role === 'assistant'
				? [/** @type {const} */ ('play'), 'Continue']
				: [/** @type {const} */ ('again'), 'Answer from here']
		this.#tools = create(
			'div',
			{ class: 'tools', role: 'group', 'aria-label': `${name}: what to do` },
			copy,
			iconButton('edit', 'Edit', () => this.#edit()),
			...(message.role === 'system' ? [] : [iconButton(goOn, label, actions.goOn)]),
			iconButton('branch', 'Branch from here', actions.branch),
			iconButton('trash', 'Delete', actions.remove),
		)
		this.element = create(
			'article',
			{ class: `message ${message.role}`, 'aria-label': name },
			this.#content,
			this.#tools,
		)
		this.draw()
	}

	/** Shows what has come. */
	draw() {
		const { content } = this.message
		const shown = this.#text.data
		if (content.length > shown.length) this.#text.appendData(content.slice(shown.length))
	}

	/** @param {boolean} isRunning */
	setRunning(isRunning) {
		this.#content.classList.toggle('running', isRunning)
	}

	/** @param {boolean} isEnabled */
	setEnabled(isEnabled) {
		for (const button of this.#tools.querySelectorAll('button')) button.disabled = !isEnabled
	}

	#edit() {
		const field = create('textarea', { 'aria-label': 'Message', rows: '3' })
		field.value = this.message.content
		const cancel = create('button', { type: 'button' }, 'Cancel')
		const form = create(
			'form',
			{ class: 'edit' },
			field,
			create('div', { class: 'bar' }, create('button', { class: 'primary' }, 'Save'), cancel),
		)
		const close = () => {
			form.replaceWith(this.#content)
			this.#tools.hidden = false
			this.#tools.querySelector('button')?.focus()
		}
		cancel.addEventListener('click', close)
		form.addEventListener('keydown', (event) => {
			if (event.key === 'Escape') close()
			if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit()
			if (event.key === 'Escape' || event.ctrlKey || event.metaKey) event.stopPropagation()
		})
		form.addEventListener('submit', (event) => {
			event.preventDefault()
			close()
			if (field.value !== this.message.content) this.#actions.save(field.value)
		})
		this.#content.replaceWith(form)
		this.#tools.hidden = true
		field.focus()
	}
}
