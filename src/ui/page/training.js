/** The Training view: the list of runs, or the page of one. */
import { byId, create } from './dom.js'
import { TrainingFeed } from './training-feed.js'
import { RunList } from './training-list.js'
import { RunPage } from './training-run.js'

/** Times like "2 min ago" are written again so often. */
const CLOCK_MS = 10_000

export class Training {
	#view = byId('view-training', HTMLElement)
	#status = create('p', { class: 'live', role: 'status' })
	#feed = new TrainingFeed((news) => this.#changed(news))
	#list
	/** @type {RunPage | null} */
	#page = null
	#context
	#isDrawing = false

	/** @param {{ talkTo: (id: string, step: number) => void, showError: (error: unknown) => void }} session */
	constructor({ talkTo, showError }) {
		this.#context = { feed: this.#feed, talkTo, showError }
		this.#list = new RunList(this.#feed, showError)
		setInterval(() => {
			if (!this.#view.hidden) this.#drawSoon()
		}, CLOCK_MS)
	}

	/**
	 * Shows the list, or a run.
	 * @param {string | null} id
	 */
	show(id) {
		this.#feed.open()
		if (id === null) this.#page = null
		else if (this.#page?.id !== id) this.#page = new RunPage(id, this.#context)
		this.#view.replaceChildren(this.#status, this.#page?.element ?? this.#list.element)
		this.#drawSoon()
	}

	/** @param {import('./training-feed.js').News | null} news */
	#changed(news) {
		if (this.#page !== null) this.#page.take(news)
		this.#drawSoon()
	}

	/** At most once a frame, however much comes. */
	#drawSoon() {
		if (this.#isDrawing) return
		this.#isDrawing = true
		requestAnimationFrame(() => {
			this.#isDrawing = false
			this.#status.textContent = this.#feed.isLive ? 'live' : 'connecting …'
			this.#status.dataset['live'] = String(this.#feed.isLive)
			if (this.#page === null) this.#list.draw()
			else this.#page.drawHead()
		})
	}
}
