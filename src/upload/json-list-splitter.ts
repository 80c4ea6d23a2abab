import {
	CLOSE_BRACKET,
	COMMA,
	isJsonDelimiter,
	isJsonSpace,
	OPEN_BRACKET,
} from '../checkpoint/formats/json-bytes.ts'
import { JsonValueScanner } from '../checkpoint/formats/json-value-scanner.ts'
import { JsonSyntaxError } from './json-object-splitter.ts'

type State = 'open' | 'first' | 'item' | 'next' | 'done'

/**
 * Takes a JSON array apart while it arrives: the raw text of each item. An item that is longer than
 * `itemBytesMax` is left out, as null. Items are not checked beyond their brackets and strings. Throws JsonSyntaxError.
 */
export class JsonListSplitter {
	readonly #itemBytesMax: number
	#state: State = 'open'
	#scanner: JsonValueScanner | null = null
	#parts: Uint8Array[] = []
	#length = 0
	#offset = 0

	constructor(itemBytesMax: number) {
		this.#itemBytesMax = itemBytesMax
	}

	/** Items that end in the next `bytes` of the text; each is valid as long as these. */
	*push(bytes: Uint8Array): Generator<Buffer | null, void> {
		for (let at = 0; at < bytes.length; ) {
			const byte = bytes[at]!
			if (this.#scanner === null) {
				if (isJsonSpace(byte) || this.#isPunctuation(byte)) {
					at++
					continue
				}
				const isItem = this.#state === 'first' || this.#state === 'item'
				if (!isItem || isJsonDelimiter(byte)) this.#refuse(at)
				this.#scanner = new JsonValueScanner()
			}
			const end = this.#scanner.push(bytes, at)
			const part = Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at)
			at = end
			this.#length += part.length
			const isKept = this.#length <= this.#itemBytesMax
			if (!this.#scanner.isDone) {
				if (isKept) this.#parts.push(Buffer.from(part))
				continue
			}
			this.#scanner = null
			this.#state = 'next'
			// A copy of each of many short items would take more than they do.
			const item = this.#parts.length === 0 ? part : Buffer.concat([...this.#parts, part])
			yield isKept ? item : null
			this.#parts = []
			this.#length = 0
		}
		this.#offset += bytes.length
	}

	/** Checks that the array is complete. */
	end(): void {
		if (this.#state !== 'done') this.#refuse(0)
	}

	/** Takes a byte that stands between items; false for any other. */
	#isPunctuation(byte: number): boolean {
		const next = NEXT_STATE[this.#state]?.[byte]
		if (next !== undefined) this.#state = next
		return next !== undefined
	}

	#refuse(at: number): never {
		throw new JsonSyntaxError(EXPECTED[this.#state], this.#offset + at)
	}
}

/** Where each punctuation mark leads. */
const NEXT_STATE: Readonly<Partial<Record<State, Readonly<Record<number, State>>>>> = {
	open: { [OPEN_BRACKET]: 'first' },
	first: { [CLOSE_BRACKET]: 'done' },
	next: { [COMMA]: 'item', [CLOSE_BRACKET]: 'done' },
}

const EXPECTED: Readonly<Record<State, string>> = {
	open: 'an array',
	first: 'an item',
	item: 'an item',
	next: 'a comma or a closing bracket',
	done: 'the end',
}
