const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** Measures one streamed answer as its reader sees it. */
export class SpeedMeter {
	#startMs = performance.now()
	#firstMs = 0
	#lastMs = 0
	#tokens = 0

	/** @param {readonly import('./api.js').Piece[]} pieces that have just arrived */
	add(pieces) {
		let tokens = 0
		for (const piece of pieces) tokens += piece.tokens?.length ?? (piece.text === '' ? 0 : 1)
		if (tokens === 0) return
		this.#lastMs = performance.now()
		if (this.#tokens === 0) this.#firstMs = this.#lastMs
		this.#tokens += tokens
	}

	/** @param {number | null | undefined} tokens in all, by the server's count, where that is known */
	correct(tokens) {
		this.#tokens = tokens ?? this.#tokens
	}

	/** `120 tokens · 1,830 tok/s · first token 4 ms` */
	summary() {
		if (this.#tokens === 0) return ''
		const parts = [`${whole.format(this.#tokens)} ${this.#tokens === 1 ? 'token' : 'tokens'}`]
		// What came all at once has no pace of its own: its speed is that since it was asked for.
		const isOneBatch = this.#firstMs === this.#lastMs
		const tokens = isOneBatch ? this.#tokens : this.#tokens - 1
		const seconds = (this.#lastMs - (isOneBatch ? this.#startMs : this.#firstMs)) / 1000
		if (this.#tokens > 1 && seconds > 0) parts.push(`${whole.format(tokens / seconds)} tok/s`)
		parts.push(`first token ${whole.format(this.#firstMs - this.#startMs)} ms`)
		return parts.join(' · ')
	}
}
