import { streamChat } from './api.js'
import { byId, create } from './dom.js'
import { SpeedMeter } from './speed.js'

/** @typedef {{ role: 'user' | 'assistant', content: string }} Message */

/** The view in which the model answers messages. */
export class Chat {
	#list = byId('messages', HTMLDivElement)
	#message = byId('message', HTMLTextAreaElement)
	#stats = byId('chat-stats', HTMLOutputElement)
	#buttons = {
		send: byId('send', HTMLButtonElement),
		stop: byId('chat-stop', HTMLButtonElement),
		again: byId('chat-again', HTMLButtonElement),
		clear: byId('chat-clear', HTMLButtonElement),
	}
	/** @type {Message[]} */
	#messages = []
	/** @type {AbortController | null} */
	#running = null
	#session

	/** @param {import('./app.js').Session} session */
	constructor(session) {
		this.#session = session
		byId('composer', HTMLFormElement).addEventListener('submit', (event) => {
			event.preventDefault()
			this.go()
		})
		this.#message.addEventListener('input', () => session.changed())
		this.#buttons.stop.addEventListener('click', () => this.stop())
		this.#buttons.again.addEventListener('click', () => this.#regenerate())
		this.#buttons.clear.addEventListener('click', () => {
			this.stop()
			this.#messages = []
			this.#stats.textContent = ''
			this.#render()
		})
		this.#render()
	}

	/** What would be sent now. @returns {Message[]} */
	messages() {
		const content = this.#message.value.trim()
		return content === '' ? this.#messages : [...this.#messages, { role: 'user', content }]
	}

	/** Sends the message. */
	go() {
		if (this.#running !== null || this.#message.value.trim() === '') return
		this.#messages = this.messages()
		this.#message.value = ''
		this.#answer()
	}

	/** @returns {boolean} whether there was anything to end */
	stop() {
		this.#running?.abort()
		return this.#running !== null
	}

	focus() {
		this.#message.focus()
	}

	#regenerate() {
		if (this.#running !== null) return
		if (this.#messages.at(-1)?.role === 'assistant') this.#messages = this.#messages.slice(0, -1)
		this.#answer()
	}

	async #answer() {
		this.#running = new AbortController()
		const { signal } = this.#running
		const body = {
			model: this.#session.model(),
			messages: this.#messages,
			...this.#session.parameters.values(),
		}
		const speed = new SpeedMeter()
		/** @type {Message} */
		const answer = { role: 'assistant', content: '' }
		this.#messages = [...this.#messages, answer]
		this.#session.showError(null)
		this.#render()
		const bubble = this.#list.lastElementChild
		bubble?.classList.add('running')
		try {
			for await (const piece of streamChat(body, signal)) {
				speed.add(piece.text === '' ? 0 : 1)
				if (piece.completionTokens !== null) speed.correct(piece.completionTokens)
				answer.content += piece.text
				bubble?.append(piece.text)
				this.#list.scrollTop = this.#list.scrollHeight
				this.#stats.textContent = speed.summary()
			}
		} catch (error) {
			if (!signal.aborted) this.#session.showError(error)
		} finally {
			this.#running = null
			if (answer.content === '') this.#messages = this.#messages.filter((m) => m !== answer)
			this.#render()
		}
	}

	#render() {
		const isRunning = this.#running !== null
		this.#list.replaceChildren(
			...(this.#messages.length === 0
				? [
						create(
							'p',
							{ class: 'hint' },
							'A model that was trained on conversations answers here. Others continue the messages as if they were one text.',
						),
					]
				: this.#messages.map(({ role, content }) => create('div', { class: role }, content))),
		)
		this.#list.scrollTop = this.#list.scrollHeight
		this.#buttons.send.hidden = isRunning
		this.#buttons.stop.hidden = !isRunning
		this.#buttons.again.disabled = isRunning || this.#messages.length === 0
		this.#buttons.clear.disabled = this.#messages.length === 0
		this.#session.changed()
	}
}
