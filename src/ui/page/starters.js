/** Beginnings for those who have none, by the domain of the model. */
import { byId, create } from './dom.js'

const STARTERS = new Map([
	['novels', ['She had always ', 'It was a dark evening, and ', '“You must know,” said ']],
	['chords', ['C G Am F\n', 'Dm7 G7 Cmaj7\n']],
	['abc', ['X:1\nT:']],
])

export class Starters {
	#element = byId('starters', HTMLDivElement)
	#begin

	/** @param {(text: string) => void} begin */
	constructor(begin) {
		this.#begin = begin
	}

	/** @param {string | null} domain of the chosen model */
	offer(domain) {
		this.#element.replaceChildren(
			...(STARTERS.get(domain ?? '') ?? []).map((text) => {
				const button = create('button', { class: 'chip' }, text.trim())
				button.addEventListener('click', () => this.#begin(text))
				return button
			}),
		)
	}

	/** @param {boolean} isShown */
	show(isShown) {
		this.#element.hidden = !isShown
	}
}
