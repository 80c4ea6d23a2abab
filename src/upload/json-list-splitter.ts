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

/** Items that follow one another in a list, as they stand there: with the commas between them. */
export interface ItemRun {
	/** Valid until the next piece. */
	readonly bytes: Buffer
	readonly count: number
}

/**
 * Takes a JSON array apart while it arrives: the raw text of its items, as many together as lie whole in a
 * piece, since for each of many short ones an object would take more than the item. One that is longer than
 * `itemBytesMax` is left out, as null. Items are not checked beyond their brackets and strings. Throws JsonSyntaxError.
 */
export class JsonListSplitter {
	readonly #itemBytesMax: number
	readonly #scanner = new JsonValueScanner()
	#state: State = 'open'
	#isInItem = false
	/** What earlier pieces have of an item. */
	#parts: Uint8Array[] = []
	#length = 0
	#offset = 0

	constructor(itemBytesMax: number) {
		this.#itemBytesMax = itemBytesMax
	}

	/** Items that end in the next `bytes` of the text. */
	*push(bytes: Uint8Array): Generator<ItemRun, void> {
		const view = (from: number, to: number) =>
			Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from)
		/** Of the run, and of the item. */
		let [runStart, runEnd, count, itemStart] = [0, 0, 0, 0]
		for (let at = 0; at < bytes.length; ) {
			const byte = bytes[at]!
			if (!this.#isInItem) {
				if (isJsonSpace(byte) || this.#isPunctuation(byte)) {
					at++
					continue
				}
				const isItem = this.#state === 'first' || this.#state === 'item'
				if (!isItem || isJsonDelimiter(byte)) this.#refuse(at)
				this.#scanner.reset()
				this.#isInItem = true
				itemStart = at
			}
			const end = this.#scanner.push(bytes, at)
			this.#length += end - at
			at = end
			if (!this.#scanner.isDone) break
			this.#isInItem = false
			this.#state = 'next'
			if (this.#length > this.#itemBytesMax || this.#parts.length > 0) {
				if (count > 0) yield { bytes: view(runStart, runEnd), count }
				count = 0
				yield { bytes: this.#joined(view(itemStart, end)), count: 1 }
			} else {
				if (count === 0) runStart = itemStart
				runEnd = end
				count++
			}
			this.#parts = []
			this.#length = 0
		}
		if (count > 0) yield { bytes: view(runStart, runEnd), count }
		if (this.#isInItem && this.#length <= this.#itemBytesMax) {
			this.#parts.push(Buffer.from(view(itemStart, bytes.length)))
		}
		this.#offset += bytes.length
	}

	/** The item that ends with this part. */
	#joined(part: Buffer): Buffer {
		if (this.#length > this.#itemBytesMax) return Buffer.from('null')
		return Buffer.concat([...this.#parts, part])
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
