/**
 * Finds stop strings in a text that arrives in pieces. Which match counts does not depend on the
 * pieces: the one that is complete first, and of those that end together the longest.
 *
 * One Knuth-Morris-Pratt automaton per string: linear in the text for each, whatever the strings.
 */
export class StopMatcher {
	readonly #patterns: readonly Pattern[]

	constructor(stop: readonly StopText[]) {
		this.#patterns = stop.map((text) => new Pattern(text))
	}

	/** Reads one UTF-16 unit; the length of the match that ends with it, 0 when none does. */
	advance(unit: number): number {
		let longest = 0
		for (const pattern of this.#patterns) {
			if (pattern.advance(unit)) longest = Math.max(longest, pattern.text.length)
		}
		return longest
	}

	/** Units at the end of what was read that could still become part of a match. */
	get pendingLength(): number {
		let longest = 0
		for (const pattern of this.#patterns) longest = Math.max(longest, pattern.matched)
		return longest
	}
}

/** A stop string that matchers of any number of texts share. */
export interface StopText {
	readonly text: string
	/** borders[n]: length of the longest proper prefix of the first n units that also ends them. */
	readonly borders: Int32Array
}

/** Of these strings those that can occur, each once. */
export function stopTexts(stop: readonly string[]): StopText[] {
	// A string with half a surrogate pair cannot occur: all our texts are well-formed.
	const possible = stop.filter((text) => text !== '' && text.isWellFormed())
	return [...new Set(possible)].map((text) => ({ text, borders: bordersOf(text) }))
}

function bordersOf(text: string): Int32Array {
	const borders = new Int32Array(text.length + 1)
	for (let length = 2, border = 0; length <= text.length; length++) {
		const unit = text.charCodeAt(length - 1)
		while (border > 0 && text.charCodeAt(border) !== unit) border = borders[border]!
		if (text.charCodeAt(border) === unit) border++
		borders[length] = border
	}
	return borders
}

class Pattern {
	readonly text: string
	/** Units of `text` that the read text ends with; never all of them. */
	matched = 0
	readonly #borders: Int32Array

	constructor({ text, borders }: StopText) {
		this.text = text
		this.#borders = borders
	}

	/** Reads one unit; whether a match ends with it. */
	advance(unit: number): boolean {
		const { text } = this
		while (this.matched > 0 && text.charCodeAt(this.matched) !== unit) {
			this.matched = this.#borders[this.matched]!
		}
		if (text.charCodeAt(this.matched) === unit) this.matched++
		if (this.matched < text.length) return false
		this.matched = this.#borders[this.matched]!
		return true
	}
}
