import {
	BACKSLASH,
	CLOSE_BRACE,
	CLOSE_BRACKET,
	isJsonDelimiter,
	OPEN_BRACE,
	OPEN_BRACKET,
	QUOTE,
} from './json-bytes.ts'

/**
 * Finds where one JSON value ends while its bytes arrive in pieces, in constant memory and without
 * recursion. It follows strings and brackets only; what lies between is checked by whoever parses
 * the value. Arrays of numbers, nearly all of a checkpoint, are crossed at the speed of memchr.
 */
export class JsonValueScanner {
	#depth = 0
	#isInString = false
	#isEscaped = false
	#isDone = false
	/** Before this offset of the current piece lies a known obstacle to crossing. */
	#obstacleBefore = 0

	/** Begins another value. */
	reset(): void {
		this.#depth = 0
		this.#isInString = false
		this.#isEscaped = false
		this.#isDone = false
		this.#obstacleBefore = 0
	}

	/** True once the whole value has been seen. */
	get isDone(): boolean {
		return this.#isDone
	}

	/**
	 * Reads on in `bytes` and returns the offset behind the last byte that belongs to the value. The
	 * first byte pushed must be the value's first. A bare number or word ends before its delimiter.
	 */
	push(bytes: Uint8Array, from: number): number {
		this.#obstacleBefore = 0
		// An array that began in an earlier piece may go on with numbers.
		let at = this.#depth > 0 && !this.#isInString ? this.#crossNumbers(bytes, from) : from
		while (at < bytes.length && !this.#isDone) {
			at = this.#isInString ? this.#crossString(bytes, at) : this.#step(bytes, at)
		}
		return at
	}

	#step(bytes: Uint8Array, at: number): number {
		const byte = bytes[at]!
		if (this.#depth === 0 && isJsonDelimiter(byte)) {
			this.#isDone = true
			return at
		}
		switch (byte) {
			case QUOTE:
				this.#isInString = true
				return at + 1
			case OPEN_BRACE:
				this.#depth++
				return at + 1
			case OPEN_BRACKET:
				this.#depth++
				return this.#crossNumbers(bytes, at + 1)
			case CLOSE_BRACKET:
			case CLOSE_BRACE:
				this.#depth--
				this.#isDone = this.#depth <= 0
				return at + 1
			default:
				return at + 1
		}
	}

	#crossString(bytes: Uint8Array, from: number): number {
		for (let at = from; at < bytes.length; at++) {
			const byte = bytes[at]!
			if (this.#isEscaped) this.#isEscaped = false
			else if (byte === BACKSLASH) this.#isEscaped = true
			else if (byte === QUOTE) {
				this.#isInString = false
				this.#isDone = this.#depth === 0
				return at + 1
			}
		}
		return bytes.length
	}

	/**
	 * Where numbers start at `from`: the offset of their closing bracket, or of the piece's end, provided
	 * that nothing but numbers lies before it; else `from`. A failure is remembered, so that hostile
	 * nesting costs one search and not one per bracket.
	 */
	#crossNumbers(bytes: Uint8Array, from: number): number {
		const first = bytes[from]
		if (from < this.#obstacleBefore || first === undefined || !startsNumber(first)) return from
		const bracket = bytes.indexOf(CLOSE_BRACKET, from)
		const end = bracket === -1 ? bytes.length : bracket
		const items = bytes.subarray(from, end)
		if (!OBSTACLES.some((obstacle) => items.includes(obstacle))) return end
		this.#obstacleBefore = end
		return from
	}
}

/** What ends or interrupts a list of plain items, besides the closing bracket. */
const OBSTACLES = [QUOTE, OPEN_BRACKET, OPEN_BRACE, CLOSE_BRACE]

function startsNumber(byte: number): boolean {
	return (byte >= 0x30 && byte <= 0x39) || byte === 0x2d
}
