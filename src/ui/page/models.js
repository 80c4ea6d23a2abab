/** The Models view: the list of all, the card of one, and where runs are sent. */
import { create } from './dom.js'
import { ModelCard } from './model-card.js'
import { ModelList } from './model-list.js'
import { Upload } from './upload.js'

/** @typedef {import('./api.js').Run} Run */

/**
 * @typedef {{ choose: (model: string, step: string) => void, go: (view: string) => void, runs: () => Run[],
 *   showError: (error: unknown) => void, notify: (text: string) => void }} ModelsContext
 */

export class Models {
	upload
	#list
	#card
	#side = create('div', { class: 'models-side' })
	/** What the card shows, so that it is read again when that has changed only. */
	#shown = ''

	/**
	 * @param {HTMLElement} view
	 * @param {ModelsContext} context
	 */
	constructor(view, context) {
		this.upload = new Upload((id) => context.choose(id, ''))
		this.upload.listen(document.body)
		this.upload.element.hidden = true
		this.#list = new ModelList((id) => {
			context.choose(id, '')
			// On narrow pages the card stands below the list.
			if (matchMedia('(max-width: 56rem)').matches) this.#card.element.scrollIntoView()
		})
		this.#card = new ModelCard({ ...context, chooseStep: (step) => context.choose(this.#id, step) })
		this.#side.append(this.#list.element, this.upload.element)
		view.replaceChildren(this.#side, this.#card.element)
	}

	#id = ''

	/**
	 * @param {Run[]} runs
	 * @param {string} chosen
	 * @param {string} step '' for the latest
	 */
	show(runs, chosen, step) {
		this.#list.show(runs, chosen)
		if (!this.#side.contains(this.upload.element)) this.#side.append(this.upload.element)
		const run = runs.find(({ id }) => id === chosen) ?? runs[0]
		this.#card.element.hidden = run === undefined
		if (run === undefined) return
		this.#id = run.id
		const shown = JSON.stringify([run, step])
		if (shown === this.#shown) return
		this.#shown = shown
		this.#card.show(run.id, step)
	}

	/** @param {import('./catalog-feed.js').Progress} progress */
	progress(progress) {
		this.#card.progress(progress)
	}

	/** @param {boolean} isAllowed */
	allowUploads(isAllowed) {
		this.upload.element.hidden = !isAllowed
	}
}
