/** The view in which the model answers messages. */
import { streamChat } from './api.js'
import { exportChat, importChat } from './chat-files.js'
import { MessageView } from './chat-message.js'
import { ChatNote } from './chat-note.js'
import { newDocument, openDocument } from './document.js'
import { DocumentBar } from './document-bar.js'
import { byId, disable, paced, swap } from './dom.js'
import { chooseFile, fileName, saveFile } from './files.js'
import { SpeedMeter } from './speed.js'
import { recall, recallDraft, remember, rememberDraft } from './storage.js'

/**
 * @typedef {{ role: 'system' | 'user' | 'assistant', content: string }} Message
 * @typedef {import('./document.js').StoredDocument<Message>} Conversation
 */

/** Time between two looks at the speed while it runs. */
const STATS_PACE_MS = 250

/** A pause in typing so long makes what was typed a system message. */
const TYPING_MS = 600

/** So close to the end, in pixels, the list follows an answer that grows. */
const FOLLOW_PIXELS = 80

/** What is written with a thumb has its line ends by Enter, and a button to send it. */
const isTouch = matchMedia('(pointer: coarse)')

export class Chat {
	#list = byId('messages', HTMLDivElement)
	#message = byId('message', HTMLTextAreaElement)
	#stats = byId('chat-stats', HTMLOutputElement)
	#system = byId('system', HTMLTextAreaElement)
	#systemPanel = byId('system-panel', HTMLDetailsElement)
	#note = new ChatNote()
	#buttons = {
		send: byId('send', HTMLButtonElement),
		stop: byId('chat-stop', HTMLButtonElement),
		again: byId('chat-again', HTMLButtonElement),
		clear: byId('chat-clear', HTMLButtonElement),
	}
	/** @type {Conversation} */
	#document = newDocument('chat', excerptOf)
	/** One per message that is shown. @type {MessageView[]} */
	#views = []
	#bar
	#follows = true
	/** @type {AbortController | null} */
	#running = null
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	#typing
	#session

	/** @param {import('./app.js').Session} session */
	constructor(session) {
		this.#session = session
		byId('composer', HTMLFormElement).addEventListener('submit', (event) => {
			event.preventDefault()
			this.go()
		})
		this.#message.value = recallDraft('message')
		this.#message.addEventListener('input', () => {
			rememberDraft('message', this.#message.value)
			session.changed()
		})
		this.#message.addEventListener('keydown', (event) => this.#pressed(event))
		this.#message.setAttribute('enterkeyhint', isTouch.matches ? 'enter' : 'send')
		this.#system.addEventListener('change', () => this.#commitSystem())
		this.#system.addEventListener('input', () => {
			clearTimeout(this.#typing)
			this.#typing = setTimeout(() => this.#commitSystem(), TYPING_MS)
		})
		this.#list.addEventListener('scroll', () => {
			const { scrollHeight, scrollTop, clientHeight } = this.#list
			this.#follows = scrollHeight - scrollTop - clientHeight < FOLLOW_PIXELS
		})
		this.#buttons.stop.addEventListener('click', () => this.stop())
		this.#buttons.again.addEventListener('click', () => this.#regenerate())
		this.#buttons.clear.addEventListener('click', () => this.#clear())
		this.#bar = new DocumentBar(byId('chat-bar', HTMLDivElement), {
			kind: 'chat',
			listTitle: 'Chats',
			newLabel: 'New chat',
			open: (id) => this.#open(id),
			create: () => this.#adopt(newDocument('chat', excerptOf)),
			undo: () => this.undo(),
			redo: () => this.redo(),
			rename: (title) => {
				this.#document.describe({ title })
				this.#update()
			},
			entries: [
				{ label: 'Save as text', act: () => this.#save('txt') },
				{ label: 'Save as Markdown', act: () => this.#save('md') },
				{ label: 'Save as JSON', act: () => this.#save('json') },
				{ label: 'Open a file', act: () => this.#import() },
			],
		})
		const last = recall('chat')
		this.#adopt(this.#document)
		if (typeof last === 'string') this.#open(last)
	}

	/** What would be sent now. @returns {Message[]} */
	messages() {
		const content = this.#message.value.trim()
		const { items } = this.#document
		return content === '' ? [...items] : [...items, { role: 'user', content }]
	}

	/** Sends the message. */
	go() {
		const content = this.#message.value.trim()
		if (this.#running !== null || content === '') return
		this.#commitSystem()
		const { items } = this.#document
		this.#message.value = ''
		rememberDraft('message', '')
		this.#follows = true
		const group = this.#document.edit(items.length, 0, [{ role: 'user', content }])
		this.#answer(items.length, group)
	}

	/** @returns {boolean} whether there was anything to end */
	stop() {
		this.#running?.abort()
		return this.#running !== null
	}

	undo() {
		if (this.#running === null) this.#document.undo()
	}

	redo() {
		if (this.#running === null) this.#document.redo()
	}

	focus() {
		this.#message.focus()
	}

	/** The view is shown: what the model can do is looked up. */
	shown() {
		this.#note.look(this.#session.model())
	}

	/** The model or the parameters have changed. */
	settingsChanged() {
		this.#document.describe(this.#session.settings())
	}

	/** @param {KeyboardEvent} event */
	#pressed(event) {
		if (event.key !== 'Enter' || event.isComposing || event.ctrlKey || event.metaKey) return
		if (event.shiftKey !== isTouch.matches) return
		event.preventDefault()
		this.go()
	}

	/** @param {string} id */
	async #open(id) {
		/** @type {Conversation | null} */
		const opened = await openDocument(id, excerptOf)
		if (opened !== null && this.#running === null) this.#adopt(opened)
	}

	/** @param {Conversation} conversation */
	#adopt(conversation) {
		if (conversation !== this.#document) this.#document.close()
		this.#document = conversation
		conversation.onChange = (at) => this.#changed(at)
		conversation.onLeaving = () => this.#commitSystem()
		conversation.onCopied = () => {
			remember('chat', conversation.head.id)
			this.#session.notify(
				'This chat was changed in another tab too. What you write here goes on as a copy.',
			)
		}
		this.#session.restore(conversation.head)
		this.#stats.textContent = ''
		this.#follows = true
		this.#changed(0)
		remember('chat', conversation.head.id)
	}

	/** What has been typed as system message becomes one. */
	#commitSystem() {
		clearTimeout(this.#typing)
		// The places of the messages stay while one of them is written.
		if (this.#running !== null) return
		const content = this.#system.value.trim()
		if (content === this.#systemMessage()) return
		const has = this.#document.items[0]?.role === 'system'
		this.#document.edit(0, has ? 1 : 0, content === '' ? [] : [{ role: 'system', content }])
	}

	/** '' for none. */
	#systemMessage() {
		const [first] = this.#document.items
		return first?.role === 'system' ? first.content : ''
	}

	#clear() {
		this.stop()
		this.#document.edit(0, this.#document.items.length, [])
		this.#stats.textContent = ''
		this.#message.focus()
	}

	#regenerate() {
		if (this.#running !== null) return
		this.#commitSystem()
		const { items } = this.#document
		const at = items.at(-1)?.role === 'assistant' ? items.length - 1 : items.length
		this.#answer(at, null)
	}

	/**
	 * Lets the model write the message at a place, instead of what is there and behind it.
	 * @param {number} at
	 * @param {number | null} group of edits that it belongs to; null for one of its own
	 */
	async #answer(at, group) {
		const conversation = this.#document
		const messages = conversation.items.slice(0, at)
		/** @type {Message} */
		const answer = { role: 'assistant', content: '' }
		/** @param {string} text */
		const take = (text) => {
			answer.content += text
			if (conversation.items[at] === answer) conversation.touch(at)
			else conversation.edit(at, conversation.items.length - at, [answer], group ?? undefined)
		}
		const isWhole = await this.#stream(messages, take)
		// Else nobody would see that the model has answered.
		if (isWhole && answer.content === '') take('')
	}

	/** Lets the model go on with one of its messages. @param {number} at */
	#continue(at) {
		const conversation = this.#document
		const old = conversation.items[at]
		if (old === undefined || this.#running !== null) return
		const longer = { ...old }
		this.#stream(conversation.items.slice(0, at + 1), (text) => {
			longer.content += text
			if (conversation.items[at] === longer) conversation.touch(at)
			else conversation.edit(at, 1, [longer])
		})
	}

	/**
	 * @param {Message[]} messages
	 * @param {(text: string) => void} take
	 * @returns {Promise<boolean>} whether the answer came to its end
	 */
	async #stream(messages, take) {
		const conversation = this.#document
		const { parameters, showError } = this.#session
		const running = new AbortController()
		this.#running = running
		conversation.isBusy = true
		conversation.describe(this.#session.settings())
		const body = {
			model: this.#session.model(),
			messages,
			...parameters.values(),
			seed: parameters.drawSeed(),
		}
		const speed = new SpeedMeter()
		const showSpeed = paced(() => {
			if (this.#running === running) this.#stats.textContent = speed.summary()
		}, STATS_PACE_MS)
		showError(null)
		this.#stats.textContent = ''
		this.#update()
		try {
			for await (const pieces of streamChat(body, running.signal)) {
				speed.add(pieces)
				speed.correct(pieces.at(-1)?.completionTokens)
				const text = pieces.map((piece) => piece.text).join('')
				if (text !== '') take(text)
				showSpeed()
			}
			return !running.signal.aborted
		} catch (error) {
			if (!running.signal.aborted) showError(error, () => this.#goOn())
			return false
		} finally {
			this.#running = null
			conversation.isBusy = false
			conversation.save()
			this.#stats.textContent = speed.summary()
			this.#draw.now()
			this.#update()
		}
	}

	/** After an answer that broke off. */
	#goOn() {
		const { items } = this.#document
		if (items.at(-1)?.role === 'assistant') this.#continue(items.length - 1)
		else this.#answer(items.length, null)
	}

	/** @param {number} at the first message that has changed */
	#changed(at) {
		if (
			this.#running !== null &&
			at === this.#views.length - 1 &&
			this.#views[at]?.message === this.#document.items[at]
		) {
			this.#draw()
			return
		}
		for (const view of this.#views.splice(at)) view.element.remove()
		for (const message of this.#document.items.slice(at)) {
			const place = this.#views.length
			const view = new MessageView(message, {
				copied: () => message.content,
				save: (content) => this.#document.edit(place, 1, [{ ...message, content }]),
				remove: () => this.#document.edit(place, 1, []),
				branch: () => this.#branch(place),
				goOn: () => {
					if (this.#running !== null) return
					if (message.role === 'assistant') this.#continue(place)
					else this.#answer(place + 1, null)
				},
			})
			this.#views.push(view)
			this.#list.append(view.element)
		}
		this.#draw()
		this.#update()
	}

	/** What is on its way into a message is drawn once a frame at most. */
	#draw = Object.assign(
		paced(() => this.#draw.now(), 32),
		{
			now: () => {
				for (const view of this.#views) view.draw()
				if (this.#follows) this.#list.scrollTop = Number.MAX_SAFE_INTEGER
			},
		},
	)

	/** A chat of its own that begins with the messages up to this one. @param {number} place */
	#branch(place) {
		if (this.#running !== null) return
		/** @type {Conversation} */
		const branch = newDocument('chat', excerptOf)
		const { name } = this.#document
		branch.edit(0, 0, this.#document.items.slice(0, place + 1))
		branch.describe({ title: `${name || 'Chat'} (branch)` })
		this.#adopt(branch)
		this.#session.notify('This is a branch. The chat that it comes from is in the list.')
	}

	/** @param {'txt' | 'md' | 'json'} extension */
	#save(extension) {
		const { type, text } = exportChat(this.#document, extension)
		saveFile(fileName(this.#document.name, extension), type, text)
	}

	async #import() {
		const file = await chooseFile('.json,.txt,.md,application/json,text/plain')
		if (file === undefined || this.#running !== null) return
		try {
			const { title, messages } = importChat(file.name, await file.text())
			/** @type {Conversation} */
			const conversation = newDocument('chat', excerptOf)
			conversation.edit(0, 0, messages)
			conversation.describe({ title })
			this.#adopt(conversation)
		} catch (error) {
			this.#session.showError(error)
		}
	}

	#update() {
		const isRunning = this.#running !== null
		const { send, stop, again, clear } = this.#buttons
		const { items } = this.#document
		if (isRunning) swap(stop, send)
		else swap(send, stop)
		const main = isRunning ? stop : this.#message
		disable(again, isRunning || !items.some(({ role }) => role !== 'system'), main)
		disable(clear, isRunning || items.length === 0, main)
		for (const [i, view] of this.#views.entries()) {
			view.setRunning(
				isRunning && i === this.#views.length - 1 && view.message.role === 'assistant',
			)
			view.setEnabled(!isRunning)
		}
		const system = this.#systemMessage()
		this.#system.readOnly = isRunning
		if (document.activeElement !== this.#system) this.#system.value = system
		if (system !== '') this.#systemPanel.open = true
		this.#note.show(items.length === 0)
		this.#bar.update(this.#document, isRunning)
		this.#session.changed()
	}
}

/** @param {readonly Message[]} messages */
function excerptOf(messages) {
	const first = messages.find(({ role }) => role === 'user') ?? messages[0]
	return (first?.content ?? '').replaceAll(/\s+/g, ' ').trim().slice(0, 80)
}
