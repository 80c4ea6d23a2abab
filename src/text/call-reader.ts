/** What a piece of text adds to one call. */
export interface CallDelta {
	/** Which call of the text it is, from 0. */
	readonly index: number
	/** Name of the function, with the first piece of a call; null with the others. */
	readonly name: string | null
	/** Further JSON of the arguments; may be ''. */
	readonly arguments: string
}

/** What stands before the arguments of a call, at its end. */
const CALL_HEAD = /\{"name": ?("(?:[^"\\]|\\.)*"), ?"(?:arguments|parameters)": ?$/
const ARGUMENTS_KEY = /"(?:arguments|parameters)":$/

/**
 * Takes a text of function calls apart while it is being written:
 *
 *     [{"name":"look","arguments":{"at":"sky"}},{"name":"wait","arguments":{}}]
 *
 * or as a template has them. The text follows the format of `compileConstraint` for calls, so nothing else has to
 * be expected.
 */
export class CallReader {
	/** Calls whose head has been read. */
	#count = 0
	/** Text since the last arguments; '' within arguments. */
	#head = ''
	/** Braces that are open within the arguments; null outside of them. */
	#depth: number | null = null
	#isWithinString = false
	#isEscaped = false

	/** Reads on; what this adds, at most one entry per call, in their order. */
	push(text: string): CallDelta[] {
		const deltas: CallDelta[] = []
		/** Where the arguments that are not in `deltas` yet start. */
		let start = 0
		let name: string | null = null
		const tell = (end: number) => {
			if (name === null && start === end) return
			deltas.push({ index: this.#count - 1, name, arguments: text.slice(start, end) })
			name = null
		}
		for (let at = 0; at < text.length; at++) {
			const character = text[at]!
			if (this.#depth === null) {
				name = this.#readHead(character)
				start = at + 1
			} else if (this.#closes(character)) {
				tell(at + 1)
				this.#depth = null
			} else if (this.#depth === 0) {
				// The blank before the arguments.
				start = at + 1
			}
		}
		if (this.#depth !== null) tell(text.length)
		return deltas
	}

	/** Reads a character before arguments; the name of the function when they follow. */
	#readHead(character: string): string | null {
		this.#head += character
		if (!ARGUMENTS_KEY.test(this.#head)) return null
		const literal = CALL_HEAD.exec(this.#head)?.[1]
		if (literal === undefined) return null
		this.#head = ''
		this.#depth = 0
		this.#count++
		return JSON.parse(literal) as string
	}

	/** Reads a character of arguments; whether it is their last one. */
	#closes(character: string): boolean {
		if (this.#isEscaped) this.#isEscaped = false
		else if (character === '"') this.#isWithinString = !this.#isWithinString
		else if (this.#isWithinString) this.#isEscaped = character === '\\'
		else if (character === '{') this.#depth!++
		else if (character === '}') return --this.#depth! === 0
		return false
	}
}
