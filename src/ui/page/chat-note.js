/** What is to be said about a model before anybody talks to it. */
import { request } from './api.js'
import { byId, create } from './dom.js'

export class ChatNote {
	#element = byId('chat-note', HTMLParagraphElement)
	/** The model that the note is about. */
	#model = ''
	/** Null: not known. @type {boolean | null} */
	#hasTemplate = null
	#isEmpty = true

	/** Looks up what a model can do. @param {string} model */
	async look(model) {
		if (model === '' || model === this.#model) return
		this.#model = model
		this.#hasTemplate = null
		const answer = await request(`tokenizer_info?model=${encodeURIComponent(model)}`)
			.then((response) => response.json())
			.catch(() => null)
		if (this.#model !== model || answer === null) return
		this.#hasTemplate = answer.chat_template !== null
		this.show(this.#isEmpty)
	}

	/** @param {boolean} isEmpty nothing has been said yet */
	show(isEmpty) {
		this.#isEmpty = isEmpty
		this.#element.hidden = this.#hasTemplate !== false && !isEmpty
		if (this.#hasTemplate === false) {
			this.#element.replaceChildren(
				'This model was not trained on conversations: it has no chat template. It reads the messages as one text and goes on with it, so do not expect answers. ',
				create('a', { href: '#/write' }, 'Write'),
				' shows what it can do.',
			)
		} else {
			this.#element.textContent =
				'Say something: the model answers here. Small models know little and make things up.'
		}
	}
}
