import {
	CLOSE_BRACE,
	COLON,
	COMMA,
	isJsonDelimiter,
	isJsonSpace,
	OPEN_BRACE,
	QUOTE,
} from '../checkpoint/formats/json-bytes.ts'
import { JsonValueScanner } from '../checkpoint/formats/json-value-scanner.ts'

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]

const KEY_BYTES_MAX = 1024

/** Text that is not a JSON object; `offset` counts bytes from its beginning. */
export class JsonSyntaxError extends Error {
	override readonly name = 'JsonSyntaxError'

	constructor(expected: string, offset: number) {
		super(`expected ${expected} at byte ${offset}`)
	}
}

/** Some bytes of the value of a top-level key. Valid until the next piece. */
export interface ValuePiece {
	readonly key: string
	readonly bytes: Uint8Array
	/** The value ends with this piece. */
	readonly isLast: boolean
}

type State = 'open' | 'first-key' | 'key' | 'colon' | 'value' | 'next' | 'done'

/**
 * Takes a JSON object apart while it arrives: the raw text of each top-level value, in pieces, in
 * constant memory. Values are not checked beyond their brackets and strings. Throws JsonSyntaxError.
 */
export class JsonObjectSplitter {
	#state: State = 'open'
	/** Follows the key or value that has begun. */
	#scanner: JsonValueScanner | null = null
	#keyBytes: Uint8Array = new Uint8Array(0)
	#key = ''
	#offset = 0

	/** Pieces of values in the next `bytes` of the text, which they share memory with. */
	push(bytes: Uint8Array): ValuePiece[] {
		const pieces: ValuePiece[] = []
		for (let at = 0; at < bytes.length; ) {
			const byte = bytes[at]!
			if (this.#scanner === null) {
				if (isJsonSpace(byte) || this.#isPunctuation(byte) || this.#isByteOrderMark(byte, at)) {
					at++
					continue
				}
				this.#begin(byte, at)
			}
			const scanner = this.#scanner!
			const end = scanner.push(bytes, at)
			const part = bytes.subarray(at, end)
			if (this.#state === 'value') {
				pieces.push({ key: this.#key, bytes: part, isLast: scanner.isDone })
			} else {
				this.#addToKey(part, at, scanner.isDone)
			}
			if (scanner.isDone) {
				this.#scanner = null
				this.#state = this.#state === 'value' ? 'next' : 'colon'
			}
			at = end
		}
		this.#offset += bytes.length
		return pieces
	}

	/** Checks that the object is complete. */
	end(): void {
		if (this.#state !== 'done') this.#refuse('the rest of the object', 0)
	}

	/** Takes a byte that stands between keys and values; false for any other. */
	#isPunctuation(byte: number): boolean {
		const next = NEXT_STATE[this.#state]?.[byte]
		if (next !== undefined) this.#state = next
		return next !== undefined
	}

	/** Takes the mark that some editors put before a text. */
	#isByteOrderMark(byte: number, at: number): boolean {
		return this.#state === 'open' && byte === BYTE_ORDER_MARK[this.#offset + at]
	}

	/** The first byte of a key or value. */
	#begin(byte: number, at: number): void {
		const isKey = (this.#state === 'key' || this.#state === 'first-key') && byte === QUOTE
		const isValue = this.#state === 'value' && !isJsonDelimiter(byte)
		if (!isKey && !isValue) this.#refuse(EXPECTED[this.#state], at)
		this.#scanner = new JsonValueScanner()
	}

	#addToKey(bytes: Uint8Array, at: number, isLast: boolean): void {
		this.#keyBytes = Buffer.concat([this.#keyBytes, bytes])
		if (this.#keyBytes.length > KEY_BYTES_MAX) this.#refuse('a shorter key', at)
		if (!isLast) return
		try {
			this.#key = String(JSON.parse(Buffer.from(this.#keyBytes).toString('utf8')))
		} catch {
			this.#refuse('a key', at)
		}
		this.#keyBytes = new Uint8Array(0)
	}

	#refuse(expected: string, at: number): never {
		throw new JsonSyntaxError(expected, this.#offset + at)
	}
}

/** Where each punctuation mark leads. */
const NEXT_STATE: Readonly<Partial<Record<State, Readonly<Record<number, State>>>>> = {
	open: { [OPEN_BRACE]: 'first-key' },
	'first-key': { [CLOSE_BRACE]: 'done' },
	colon: { [COLON]: 'value' },
	next: { [COMMA]: 'key', [CLOSE_BRACE]: 'done' },
}

const EXPECTED: Readonly<Record<State, string>> = {
	open: 'an object',
	'first-key': 'a key',
	key: 'a key',
	colon: 'a colon',
	value: 'a value',
	next: 'a comma or a closing brace',
	done: 'the end',
}
