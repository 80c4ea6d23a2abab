import { byId, create } from './dom.js'

/**
 * @param {number} probability
 * @returns {string} `42 %`, `0.3 %`
 */
function formatShare(probability) {
	const percent = probability * 100
	return `${percent >= 10 ? percent.toFixed(0) : percent.toPrecision(2)} %`
}

/**
 * A token with its white space made visible.
 * @param {string} text
 */
function visible(text) {
	return text.replaceAll('\n', '⏎').replaceAll('\t', '⇥').replaceAll(' ', '␣')
}

/** What the model might have written instead: opens beside a token, offers to go on from there. */
export class Alternatives {
	#popover = byId('alternatives', HTMLDivElement)
	/** @type {HTMLElement | null} */
	#anchor = null

	constructor() {
		document.addEventListener('pointerdown', ({ target }) => {
			if (target instanceof Node && !this.#popover.contains(target)) this.close()
		})
		addEventListener('resize', () => this.close())
	}

	get isOpen() {
		return !this.#popover.hidden
	}

	/**
	 * @param {HTMLElement} anchor
	 * @param {import('./api.js').TokenDetail} detail
	 * @param {(token: string) => void} choose
	 */
	open(anchor, detail, choose) {
		const { top } = detail
		const bits = -detail.logprob / Math.LN2
		const rows = top.some(([token]) => token === detail.token)
			? top
			: [...top, /** @type {[string, number]} */ ([detail.token, detail.logprob])]
		this.#anchor?.classList.remove('selected')
		this.#anchor = anchor
		anchor.classList.add('selected')
		this.#popover.replaceChildren(
			create('p', {}, `${bits.toFixed(1)} bits of surprise. Choose another way to go on:`),
			...rows.map(([token, logprob]) => {
				const probability = Math.exp(logprob)
				const bar = create('i')
				bar.style.setProperty('inline-size', `${Math.max(1, probability * 100)}%`)
				const button = create(
					'button',
					token === detail.token ? { 'aria-current': 'true' } : {},
					bar,
					create('span', {}, visible(token)),
					create('small', {}, formatShare(probability)),
				)
				button.addEventListener('click', () => {
					this.close()
					choose(token)
				})
				return button
			}),
		)
		this.#popover.hidden = false
		this.#place(anchor)
		this.#popover.querySelector('button')?.focus({ preventScroll: true })
	}

	close() {
		if (this.#popover.hidden) return
		this.#popover.hidden = true
		this.#anchor?.classList.remove('selected')
		const text = this.#anchor?.closest('.text')
		if (text instanceof HTMLElement) text.focus({ preventScroll: true })
		this.#anchor = null
	}

	/** @param {HTMLElement} anchor below it where there is room, else above */
	#place(anchor) {
		const around = anchor.getClientRects()[0] ?? anchor.getBoundingClientRect()
		const { offsetWidth: width, offsetHeight: height } = this.#popover
		const isBelow = around.bottom + height + 12 < innerHeight
		const left = Math.min(Math.max(8, around.left - 12), innerWidth - width - 8)
		this.#popover.style.setProperty('left', `${left}px`)
		this.#popover.style.setProperty(
			'top',
			`${Math.max(8, isBelow ? around.bottom + 6 : around.top - height - 6)}px`,
		)
	}
}
