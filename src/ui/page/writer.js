/** The view in which the model continues a text. */
import { streamCompletion } from './api.js'
import { newDocument, openDocument } from './document.js'
import { DocumentBar } from './document-bar.js'
import { afterFrame, byId, copyText, create, disable, swap } from './dom.js'
import { chooseFile, fileName, saveFile } from './files.js'
import { SpeedMeter } from './speed.js'
import { Starters } from './starters.js'
import { recall, remember } from './storage.js'
import { exportText, importText } from './text-files.js'
import { excerptOf, generatedParts, placeAt, textOf, typedEdit } from './text-parts.js'
import { TokenReader } from './token-reader.js'
import { TokenText } from './token-text.js'
import { Variants } from './variants.js'
import { Window } from './window.js'

/**
 * @typedef {import('./text-parts.js').Part} Part
 * @typedef {import('./document.js').StoredDocument<Part>} Text
 */

const whole = new Intl.NumberFormat('en')

/** The speed of what runs changes no more often than so. */
const STATS_PACE_MS = 150

/** What has begun is shown with its first words, or after so long: none of them wait for a drawing of its own. */
const BEGIN_MS = 100

/** A pause in typing so long ends what is undone at once. */
const TYPING_MS = 600

export class Writer {
	#prompt = byId('prompt', HTMLTextAreaElement)
	#output = byId('output', HTMLDivElement)
	#heat = byId('heat', HTMLInputElement)
	#stats = byId('write-stats', HTMLOutputElement)
	#buttons = {
		continue: byId('continue', HTMLButtonElement),
		stop: byId('stop', HTMLButtonElement),
		again: byId('again', HTMLButtonElement),
		edit: byId('edit', HTMLButtonElement),
		variants: byId('variants', HTMLButtonElement),
		copy: byId('copy-text', HTMLButtonElement),
	}
	/** @type {Text} */
	#document = newDocument('text', excerptOf)
	#text = new TokenText(this.#output, byId('sheet', HTMLDivElement), () => this.#document.items)
	#window = new Window(byId('window', HTMLParagraphElement))
	#reader = new TokenReader(this.#text, {
		parts: () => this.#document.items,
		isBusy: () => this.#running !== null,
		fork: (place, token) => this.#fork(place, token),
		edit: (caret) => this.#edit(caret),
	})
	#starters = new Starters((text) => {
		this.#prompt.value = text
		this.go()
	})
	#bar
	#variants
	/** @type {AbortController | null} */
	#running = null
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	#typing
	#session

	/** @param {import('./app.js').Session} session */
	constructor(session) {
		this.#session = session
		this.#heat.checked = recall('heat') === true
		this.#prompt.addEventListener('input', () => this.#typed())
		this.#heat.addEventListener('change', () => {
			remember('heat', this.#heat.checked)
			this.#update()
		})
		const { continue: go, stop, again, edit, variants, copy } = this.#buttons
		go.addEventListener('click', () => this.go())
		stop.addEventListener('click', () => this.stop())
		again.addEventListener('click', () => this.#regenerate())
		edit.addEventListener('click', () => this.#toggleEdit())
		copy.addEventListener('click', () => copyText(copy, this.text()))
		variants.addEventListener('click', () => this.#variants.show(this.text()))
		this.#variants = new Variants(session, (parts) => this.#take(parts))
		this.#bar = new DocumentBar(byId('write-bar', HTMLDivElement), {
			kind: 'text',
			listTitle: 'Texts',
			newLabel: 'New text',
			open: (id) => this.#open(id),
			create: () => this.#adopt(newDocument('text', excerptOf)),
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
				{ label: 'Clear', act: () => this.#clear() },
			],
		})
		const last = recall('text')
		this.#adopt(this.#document)
		this.#window.onMove = () => this.#markWindow()
		if (typeof last === 'string') this.#open(last)
	}

	/** All of it: typed and generated. */
	text() {
		return this.#isEditing ? this.#prompt.value : textOf(this.#document.items)
	}

	/** Continues the text. */
	go() {
		if (this.#running !== null) return
		this.#commit()
		this.#generate(this.#document.items.length, [])
	}

	/** Ends what runs. @returns {boolean} whether there was anything to end */
	stop() {
		if (this.#reader.close()) return true
		this.#running?.abort()
		return this.#running !== null
	}

	undo() {
		this.#step(() => this.#document.undo())
	}

	redo() {
		this.#step(() => this.#document.redo())
	}

	focus() {
		if (this.#isEditing) this.#prompt.focus()
	}

	/** The model or the parameters have changed. */
	settingsChanged() {
		this.#document.describe(this.#session.settings())
		this.#window.look(this.#session.model(), () => this.text())
	}

	/** @param {string | null} domain of the chosen model */
	offerStarters(domain) {
		this.#starters.offer(domain)
	}

	get #isEditing() {
		return !this.#prompt.hidden
	}

	get #isEmpty() {
		return this.#isEditing
			? this.#prompt.value === ''
			: this.#document.items.every(({ text }) => text === '')
	}

	/** @param {string} id */
	async #open(id) {
		/** @type {Text | null} */
		const opened = await openDocument(id, excerptOf)
		// Meanwhile somebody may have begun to write.
		if (opened !== null && this.#running === null) this.#adopt(opened)
	}

	/** @param {Text} text */
	#adopt(text) {
		this.#commit()
		if (text !== this.#document) this.#document.close()
		this.#document = text
		text.onChange = (at) => this.#changed(at)
		text.onLeaving = () => this.#commit()
		text.onCopied = () => {
			this.#remember()
			this.#session.notify(
				'This text was changed in another tab too. What you write here goes on as a copy.',
			)
		}
		this.#session.restore(text.head)
		this.#stats.replaceChildren()
		this.#text.cut(0)
		this.#showParts()
		this.#remember()
	}

	#remember() {
		remember('text', this.#document.head.id)
	}

	/** The document has changed from a place on. @param {number} at */
	#changed(at) {
		this.#text.cut(at)
		if (!this.#isEditing) this.#text.grow()
		else showText(this.#prompt, textOf(this.#document.items))
		if (this.#running === null) this.#update()
	}

	/** Shows tokens where there are any, else the field for typing. */
	#showParts() {
		const { items } = this.#document
		if (items.every(({ isTyped }) => isTyped)) this.#edit(null)
		else this.#read()
	}

	#read() {
		this.#reader.select(null)
		swap(this.#output, this.#prompt)
		this.#text.grow()
		this.#update()
	}

	/** @param {number | null} caret where in the text the user goes on typing; null leaves the focus alone */
	#edit(caret) {
		this.#prompt.value = textOf(this.#document.items)
		swap(this.#prompt, this.#output)
		if (caret !== null) {
			this.#prompt.focus()
			this.#prompt.setSelectionRange(caret, caret)
		}
		this.#update()
	}

	#toggleEdit() {
		if (this.#running !== null) return
		if (!this.#isEditing) return this.#edit(this.text().length)
		this.#commit()
		this.#showParts()
		this.#output.focus()
	}

	#typed() {
		clearTimeout(this.#typing)
		this.#typing = setTimeout(() => this.#commit(), TYPING_MS)
		this.#update()
	}

	/** What has been typed becomes an edit. */
	#commit() {
		clearTimeout(this.#typing)
		if (!this.#isEditing) return
		const edit = typedEdit(this.#document.items, this.#prompt.value)
		if (edit !== null) this.#document.edit(edit.at, edit.remove, edit.inserted)
	}

	/** @param {() => number | null} move */
	#step(move) {
		if (this.#running !== null) return
		this.#commit()
		const wasFocused = document.activeElement === this.#prompt
		const place = move()
		if (place === null) return
		this.#showParts()
		if (this.#isEditing && wasFocused) {
			const { items } = this.#document
			const caret = textOf(items.slice(0, place + 1)).length
			this.#prompt.setSelectionRange(caret, caret)
		} else if (wasFocused) this.#output.focus()
	}

	#clear() {
		if (this.#running !== null) return
		this.#commit()
		this.#document.edit(0, this.#document.items.length, [])
		this.#edit(0)
	}

	/**
	 * Writes on from a place; what stands behind it stays until something comes.
	 * @param {number} at
	 * @param {Part[]} first what the continuation begins with
	 */
	async #generate(at, first) {
		const text = this.#document
		const { parameters, showError } = this.#session
		const running = new AbortController()
		this.#running = running
		this.#output.ariaBusy = 'true'
		text.isBusy = true
		const seed = parameters.drawSeed()
		const prompt = textOf(text.items.slice(0, at)) + textOf(first)
		const speed = new SpeedMeter()
		let isBegun = false
		const begin = () => {
			if (isBegun) return
			isBegun = true
			this.#read()
			this.#stats.replaceChildren()
			showError(null)
		}
		const beginning = setTimeout(begin, BEGIN_MS)
		let shownMs = Number.NEGATIVE_INFINITY
		this.#text.drawsTokens = this.#heat.checked
		this.#text.onDrawn = () => {
			const nowMs = performance.now()
			if (this.#running !== running) return
			begin()
			if (nowMs - shownMs < STATS_PACE_MS) return
			shownMs = nowMs
			this.#stats.textContent = speed.summary()
		}
		text.describe(this.#session.settings())
		let group = first.length > 0 ? text.edit(at, text.items.length - at, first) : null
		let ending = ''
		let unread = ''
		try {
			const body = {
				model: this.#session.model(),
				prompt,
				...parameters.values(),
				seed,
				logprobs: parameters.alternatives(),
			}
			// The model works while the page makes ready for what it writes.
			const answer = streamCompletion(body, running.signal)
			this.#text.follow()
			// What is typed from here on would be lost, and what is replaced is gone already.
			if (this.#isEditing || group !== null) begin()
			for await (const pieces of answer) {
				speed.add(pieces)
				speed.correct(pieces.at(-1)?.completionTokens)
				for (const { finishReason, truncatedTokens } of pieces) {
					if (finishReason === 'stop') ending = 'the model ended here'
					if (truncatedTokens > 0) unread = `${whole.format(truncatedTokens)} older tokens not read`
				}
				const parts = generatedParts(pieces)
				if (parts.length === 0) continue
				if (group === null) group = text.edit(at, text.items.length - at, parts)
				else text.extend(parts, group)
			}
		} catch (error) {
			begin()
			if (!running.signal.aborted) showError(error, () => this.go())
		} finally {
			clearTimeout(beginning)
			// A short answer ends before it is drawn.
			begin()
			this.#running = null
			this.#output.ariaBusy = 'false'
			text.isBusy = false
			afterFrame(() => text.save())
			this.#text.finish()
			this.#showStats([speed.summary(), ending, unread], seed)
			if (group === null) this.#showParts()
			else this.#update()
		}
	}

	/**
	 * @param {string[]} notes
	 * @param {number} seed which a click makes the seed of further requests
	 */
	#showStats(notes, seed) {
		const pin = create('button', { class: 'quiet', title: 'Use this seed again' }, `seed ${seed}`)
		pin.addEventListener('click', () => this.#session.parameters.pinSeed(seed))
		this.#stats.replaceChildren(notes.filter((note) => note !== '').join(' · '), ' ', pin)
	}

	/** Where the model's last words begin; null when the user's are the last. */
	#lastBeginning() {
		const group = this.#document.lastGroup()
		return group?.inserted.some(({ isTyped }) => !isTyped) ? group.at : null
	}

	#regenerate() {
		if (this.#running !== null) return
		this.#commit()
		const at = this.#lastBeginning()
		if (at !== null) this.#generate(at, [])
	}

	/**
	 * Takes another token at one place and continues from there.
	 * @param {number} place of the part that is replaced
	 * @param {string} token
	 */
	#fork(place, token) {
		const old = this.#document.items[place]
		if (this.#running !== null || old?.detail == null) return
		const { top } = old.detail
		const logprob = top.find(([text]) => text === token)?.[1] ?? old.detail.logprob
		const detail = { token, logprob, top }
		this.#generate(place, [{ text: token, detail, isTyped: false }])
	}

	/** One of several continuations was chosen. @param {Part[]} parts */
	#take(parts) {
		if (this.#running !== null) return
		this.#commit()
		this.#document.edit(this.#document.items.length, 0, parts)
		this.#text.follow()
		this.#read()
		this.#output.focus()
	}

	/** @param {'txt' | 'md' | 'json'} extension */
	#save(extension) {
		this.#commit()
		const { type, text } = exportText(this.#document, extension)
		saveFile(fileName(this.#document.name, extension), type, text)
	}

	async #import() {
		const file = await chooseFile('.txt,.md,.json,text/plain,application/json')
		if (file === undefined || this.#running !== null) return
		const { title, parts } = importText(file.name, await file.text())
		/** @type {Text} */
		const text = newDocument('text', excerptOf)
		text.edit(0, 0, parts)
		text.describe({ title })
		this.#adopt(text)
	}

	#update() {
		const isRunning = this.#running !== null
		const { continue: go, stop, again, edit, variants, copy } = this.#buttons
		const isEmpty = this.#isEmpty
		if (isRunning) swap(stop, go)
		else swap(go, stop)
		const main = isRunning ? stop : go
		disable(again, isRunning || this.#lastBeginning() === null, main)
		disable(
			edit,
			isRunning || (this.#isEditing && this.#document.items.every(({ isTyped }) => isTyped)),
			main,
		)
		edit.textContent = this.#isEditing && !edit.disabled ? 'Done' : 'Edit'
		disable(variants, isRunning, main)
		disable(copy, isEmpty, main)
		this.#output.classList.toggle('running', isRunning)
		this.#output.classList.toggle('heat', this.#heat.checked)
		this.#text.drawsTokens = !isRunning || this.#heat.checked
		this.#starters.show(isEmpty && !isRunning)
		this.#bar.update(this.#document, isRunning)
		// What runs is counted once it rests.
		if (!isRunning) this.#window.look(this.#session.model(), () => this.text())
		this.#session.changed()
	}

	/** What the model reads of the text is marked. */
	#markWindow() {
		const { from } = this.#window
		this.#text.markFrom(from === null ? null : placeAt(this.#document.items, from).place)
	}
}

/**
 * Leaves the caret alone where the text is there already.
 * @param {HTMLTextAreaElement} field
 * @param {string} text
 */
function showText(field, text) {
	if (field.value !== text) field.value = text
}
