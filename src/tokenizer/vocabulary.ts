import { forEachInSteps, type Steps } from '../lib/steps.ts'
import type { IncrementalDecoder } from './tokenizer.ts'

const utf8 = new TextEncoder()

/**
 * The token strings with their look-ups. Texts that leave it are well-formed: a lone surrogate in
 * the vocabulary (the trainer counts one as a character) encodes as stored but decodes as U+FFFD,
 * because neither UTF-8 nor JSON can carry it.
 */
export class Vocabulary {
	readonly size: number
	readonly #stored: readonly string[]
	readonly #ids = new Map<string, number>()

	private constructor(vocab: readonly string[]) {
		this.size = vocab.length
		this.#stored = vocab
	}

	static *of(vocab: readonly string[]): Steps<Vocabulary> {
		const vocabulary = new Vocabulary(vocab)
		// Of two equal entries the later one is what the trainer encodes to.
		yield* forEachInSteps(vocab, (text, id) => vocabulary.#ids.set(text, id))
		return vocabulary
	}

	/** Id of a token string as stored, or undefined. */
	idOf(text: string): number | undefined {
		return this.#ids.get(text)
	}

	/** Text of an id; '' for anything that is not an id. */
	textOf(id: number): string {
		return this.#stored[id]?.toWellFormed() ?? ''
	}

	/** The UTF-8 bytes of an id's text. */
	bytesOf(id: number): Uint8Array {
		return utf8.encode(this.textOf(id))
	}

	/** Ids by code point, -1 where the vocabulary lacks it; the table ends at its highest one. */
	*codePointIds(): Steps<Int32Array> {
		const single: [codePoint: number, id: number][] = []
		let highest = -1
		yield* forEachInSteps(this.#ids, ([text, id]) => {
			const codePoint = text.codePointAt(0)
			if (codePoint === undefined || text.length !== (codePoint > 0xffff ? 2 : 1)) return
			single.push([codePoint, id])
			highest = Math.max(highest, codePoint)
		})
		const table = new Int32Array(highest + 1).fill(-1)
		for (const [codePoint, id] of single) table[codePoint] = id
		return table
	}

	/** Where generation starts without a prompt: the newline, else id 0. */
	get startTokenId(): number {
		return this.idOf('\n') ?? 0
	}

	/** Text of all ids, one after another. */
	join(ids: readonly number[]): string {
		let text = ''
		for (const id of ids) text += this.textOf(id)
		return text
	}

	/** A decoder that gives each id's text: tokens hold whole characters, so nothing waits. */
	createJoiningDecoder(): IncrementalDecoder {
		return { push: (id) => this.textOf(id), flush: () => '', isAfterWord: false }
	}
}
