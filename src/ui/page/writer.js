import { Alternatives } from './alternatives.js'
import { streamCompletion } from './api.js'
import { byId, create, paced } from './dom.js'
import { SpeedMeter } from './speed.js'
import { recall, remember } from './storage.js'
import { TokenText } from './token-text.js'

/** @typedef {import('./token-text.js').Part} Part */

/** Alternatives to ask for: a list that fits beside a token. */
const ALTERNATIVES = 5

/** Time between two looks at the speed while it runs. */
const STATS_PACE_MS = 250

/** Beginnings for those who have none, by the domain of the run. */
const STARTERS = new Map([
	['novels', ['She had always ', 'It was a dark evening, and ', '“You must know,” said ']],
	['chords', ['C G Am F\n', 'Dm7 G7 Cmaj7\n']],
	['abc', ['X:1\nT:']],
])

/** The view in which the model continues a text. */
export class Writer {
	#prompt = byId('prompt', HTMLTextAreaElement)
	#output = byId('output', HTMLDivElement)
	#starters = byId('starters', HTMLDivElement)
	#heat = byId('heat', HTMLInputElement)
	#stats = byId('write-stats', HTMLOutputElement)
	#buttons = {
		continue: byId('continue', HTMLButtonElement),
		stop: byId('stop', HTMLButtonElement),
		again: byId('again', HTMLButtonElement),
		edit: byId('edit', HTMLButtonElement),
		undo: byId('undo', HTMLButtonElement),
	}
	#alternatives = new Alternatives()
	#text = new TokenText(this.#output, byId('sheet', HTMLDivElement), () => this.#parts)
	/** @type {Part[]} */
	#parts = []
	/** Texts before each generation, the latest last. @type {Part[][]} */
	#history = []
	/** The part that the keyboard is at. @type {number | null} */
	#selected = null
	/** @type {AbortController | null} */
	#running = null
	#session

	/** @param {import('./app.js').Session} session */
	constructor(session) {
		this.#session = session
		this.#prompt.value = String(recall('prompt') ?? '')
		this.#heat.checked = recall('heat') === true
		this.#prompt.addEventListener('input', () => this.#typed())
		this.#heat.addEventListener('change', () => {
			remember('heat', this.#heat.checked)
			this.#update()
		})
		this.#output.addEventListener('click', ({ target }) => this.#clicked(target))
		this.#output.addEventListener('keydown', (event) => this.#moved(event))
		this.#buttons.continue.addEventListener('click', () => this.go())
		this.#buttons.stop.addEventListener('click', () => this.stop())
		this.#buttons.again.addEventListener('click', () => this.#regenerate())
		this.#buttons.edit.addEventListener('click', () => this.#edit(this.text().length))
		this.#buttons.undo.addEventListener('click', () => this.#undo())
		this.#update()
	}

	/** All of it: typed and generated. */
	text() {
		if (!this.#prompt.hidden) return this.#prompt.value
		return this.#parts.map(({ text }) => text).join('')
	}

	/** Continues the text. */
	go() {
		if (this.#running !== null) return
		const parts = this.#prompt.hidden ? this.#parts : [typedPart(this.#prompt.value)]
		this.#history.push(parts)
		this.#generate(parts)
	}

	/** Ends what runs. @returns {boolean} whether there was anything to end */
	stop() {
		if (this.#alternatives.isOpen) {
			this.#alternatives.close()
			return true
		}
		this.#running?.abort()
		return this.#running !== null
	}

	focus() {
		if (!this.#prompt.hidden) this.#prompt.focus()
	}

	/** @param {string | null} domain of the chosen model */
	offerStarters(domain) {
		const starters = STARTERS.get(domain ?? '') ?? []
		this.#starters.replaceChildren(
			...starters.map((text) => {
				const button = create('button', { class: 'chip' }, text.trim())
				button.addEventListener('click', () => {
					this.#prompt.value = text
					this.#typed()
					this.go()
				})
				return button
			}),
		)
	}

	#typed() {
		remember('prompt', this.#prompt.value)
		this.#update()
	}

	/** @param {Part[]} parts to be continued */
	async #generate(parts) {
		this.#running = new AbortController()
		const { signal } = this.#running
		const { seed, ...parameters } = this.#session.parameters.values()
		const speed = new SpeedMeter()
		const showSpeed = paced(() => {
			if (this.#running?.signal === signal) this.#stats.textContent = speed.summary()
		}, STATS_PACE_MS)
		let ending = ''
		this.#show(parts)
		this.#text.follow()
		this.#stats.replaceChildren()
		this.#session.showError(null)
		try {
			const body = {
				model: this.#session.model(),
				prompt: this.text(),
				...parameters,
				seed,
				logprobs: ALTERNATIVES,
			}
			for await (const piece of streamCompletion(body, signal)) {
				speed.add(piece.tokens?.length ?? (piece.text === '' ? 0 : 1))
				if (piece.completionTokens !== null) speed.correct(piece.completionTokens)
				if (piece.finishReason === 'stop') ending = 'the model ended here'
				this.#parts.push(...partsOf(piece))
				this.#text.grow()
				showSpeed()
			}
		} catch (error) {
			if (!signal.aborted) this.#session.showError(error)
		} finally {
			this.#running = null
			this.#text.finish()
			this.#showStats([speed.summary(), ending], seed ?? 0)
			this.#update()
			// Nothing came: what is there is still the user's own text.
			if (this.#parts.every(({ isTyped }) => isTyped)) this.#undo()
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

	#regenerate() {
		const parts = this.#history.at(-1)
		if (parts !== undefined && this.#running === null) this.#generate(parts)
	}

	#undo() {
		const parts = this.#history.pop()
		if (parts === undefined || this.#running !== null) return
		this.#show(parts)
		if (parts.every(({ isTyped }) => isTyped)) this.#edit(this.text().length)
		this.#update()
	}

	/** @param {number} caret where in the text the user goes on typing */
	#edit(caret) {
		if (this.#running !== null) return
		this.#prompt.value = this.text()
		this.#output.hidden = true
		this.#prompt.hidden = false
		this.#prompt.focus()
		this.#prompt.setSelectionRange(caret, caret)
		this.#typed()
	}

	/**
	 * Takes another token at one place and continues from there.
	 * @param {number} index of the part that is replaced
	 * @param {string} token
	 */
	#fork(index, token) {
		const old = this.#parts[index]
		if (this.#running !== null || old?.detail == null) return
		const logprob = old.detail.top.find(([text]) => text === token)?.[1] ?? old.detail.logprob
		const detail = { ...old.detail, token, logprob }
		this.#history.push(this.#parts)
		this.#generate([...this.#parts.slice(0, index), { text: token, detail, isTyped: false }])
	}

	/** @param {readonly Part[]} parts */
	#show(parts) {
		const old = this.#parts
		const same = parts.findIndex((part, place) => part !== old[place])
		this.#parts = [...parts]
		this.#select(null)
		this.#text.cut(same < 0 ? parts.length : same)
		this.#output.hidden = false
		this.#prompt.hidden = true
		this.#text.grow()
		this.#update()
	}

	/** @param {EventTarget | null} target */
	#clicked(target) {
		if (!(target instanceof HTMLElement)) return
		const index = this.#text.placeOf(target) ?? -1
		const part = this.#parts[index]
		if (part === undefined || this.#running !== null) return
		if (part.detail !== null) {
			this.#alternatives.open(target, part.detail, (token) => this.#fork(index, token))
		} else if (part.isTyped && getSelection()?.isCollapsed) {
			const before = this.#parts.slice(0, index).reduce((sum, { text }) => sum + text.length, 0)
			this.#edit(before + (getSelection()?.focusOffset ?? 0))
		}
	}

	/** Arrow keys walk over the tokens, Enter opens one. @param {KeyboardEvent} event */
	#moved(event) {
		if (event.ctrlKey || event.metaKey || event.altKey) return
		const at = this.#selected ?? -1
		if (event.key === 'Enter' && at >= 0) {
			this.#clicked(this.#text.elementAt(at) ?? null)
		} else if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') {
			const isToken = (/** @type {Part} */ part) => part.detail !== null
			const next =
				event.key === 'ArrowRight'
					? this.#parts.findIndex((part, place) => place > at && isToken(part))
					: this.#parts.findLastIndex((part, place) => place < at && isToken(part))
			if (next >= 0) this.#select(next)
		} else {
			return
		}
		event.preventDefault()
	}

	/** @param {number | null} place of the part that the keyboard is at */
	#select(place) {
		if (this.#selected !== null) {
			this.#text.elementAt(this.#selected)?.classList.remove('selected')
		}
		this.#selected = place
		if (place === null) return
		const element = this.#text.elementAt(place)
		element?.classList.add('selected')
		element?.scrollIntoView({ block: 'nearest' })
	}

	#update() {
		const isRunning = this.#running !== null
		const { continue: go, stop, again, edit, undo } = this.#buttons
		go.hidden = isRunning
		stop.hidden = !isRunning
		again.disabled = isRunning || this.#history.length === 0
		undo.disabled = isRunning || this.#history.length === 0
		edit.disabled = isRunning || Boolean(this.#output.hidden)
		this.#output.classList.toggle('running', isRunning)
		this.#output.classList.toggle('heat', this.#heat.checked)
		this.#starters.hidden = this.text() !== '' || isRunning
		this.#session.changed()
	}
}

/**
 * @param {string} text
 * @returns {Part}
 */
function typedPart(text) {
	return { text, detail: null, isTyped: true }
}

/**
 * Parts of a piece: its tokens where they spell its text, else the text as a whole.
 * @param {import('./api.js').Piece} piece
 * @returns {Part[]}
 */
function partsOf({ text, tokens }) {
	if (text === '') return []
	if (tokens === null || tokens.map(({ token }) => token).join('') !== text) {
		return [{ text, detail: null, isTyped: false }]
	}
	return tokens.map((detail) => ({ text: detail.token, detail, isTyped: false }))
}
