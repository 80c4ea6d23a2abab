import { forEachInSteps, type Steps } from '../lib/steps.ts'
import type { Normalizer } from './normalizer.ts'
import type { TokenTexts } from './pipeline.ts'
import { BLANK_MARK } from './pre-tokenizer.ts'
import type { IncrementalDecoder, PieceDecoding, PieceSpec } from './tokenizer.ts'

const utf8 = new TextEncoder()
const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const REPLACEMENT = '\ufffd'

/** Tokens that are pieces of text or single bytes. */
export class PieceTexts implements TokenTexts {
	readonly #stored: readonly string[]
	/** By id: what is found in its normal form is also written so. */
	readonly #normalized = new Map<number, string>()
	/** By id of a byte token: its byte. */
	readonly #bytes: ReadonlyMap<number, number>
	readonly #specialIds: ReadonlySet<number>
	readonly #decoding: PieceDecoding

	/** `normalize`: the tokenizer's own. */
	static *of(spec: PieceSpec, normalize: Normalizer): Steps<PieceTexts> {
		const texts = new PieceTexts(spec)
		yield* forEachInSteps(spec.addedTokens, ({ id, text, isNormalized, isSpecial }) => {
			if (isNormalized === true && !isSpecial) texts.#normalized.set(id, normalize(text, true))
		})
		return texts
	}

	private constructor({ vocab, byteIds, addedTokens, decoder }: PieceSpec) {
		this.#stored = vocab
		this.#bytes = new Map(byteIds.map((id, byte) => [id, byte]))
		const special = addedTokens.filter((token) => token.isSpecial)
		this.#specialIds = new Set(special.map(({ id }) => id))
		this.#decoding = decoder
	}

	textOf(id: number, isAfterWord: boolean): string {
		const byte = this.#bytes.get(id)
		if (byte !== undefined) return byte < 0x80 ? String.fromCharCode(byte) : ''
		const text = this.#textOf(id)
		return isAfterWord && text !== '' ? this.#decoding.separator + text : text
	}

	bytesOf(id: number): Uint8Array {
		const byte = this.#bytes.get(id)
		return byte === undefined ? utf8.encode(this.#textOf(id)) : Uint8Array.of(byte)
	}

	#textOf(id: number): string {
		const piece = this.#normalized.get(id) ?? this.#stored[id] ?? ''
		const text = this.#decoding.readsBlankMarks ? piece.replaceAll(BLANK_MARK, ' ') : piece
		return text.toWellFormed()
	}

	createDecoder(textBefore: string): IncrementalDecoder {
		const isSpecial = (id: number) => this.#specialIds.has(id)
		const decoder = new PieceDecoder(this.#decoding, textBefore)
		return {
			push: (id) => {
				if (isSpecial(id)) return decoder.pushSpecial()
				if (this.#stored[id] === undefined) return ''
				const byte = this.#bytes.get(id)
				return byte === undefined ? decoder.pushText(this.#textOf(id)) : decoder.pushByte(byte)
			},
			flush: () => decoder.flush(),
			get isAfterWord() {
				return decoder.isAfterWord
			},
		}
	}
}

/** Joins texts and bytes of tokens as they come. */
class PieceDecoder {
	readonly #decoding: PieceDecoding
	/** Byte tokens whose text is not certain yet. */
	#run: number[] = []
	/** Nothing of the text has been read yet. */
	#isStart: boolean
	isAfterWord: boolean

	constructor(decoding: PieceDecoding, textBefore: string) {
		this.#decoding = decoding
		this.#isStart = textBefore === ''
		this.isAfterWord = decoding.separator !== '' && textBefore !== ''
	}

	pushText(text: string): string {
		return this.#endRun() + this.#write(text)
	}

	/** A token without text; in SentencePiece bytes around it are not one character. */
	pushSpecial(): string {
		return this.#decoding.byteRuns === 'characters' ? this.#endRun() : ''
	}

	pushByte(byte: number): string {
		this.#run.push(byte)
		return this.#decoding.byteRuns === 'whole' ? '' : this.#takeCharacters(false)
	}

	flush(): string {
		return this.#endRun()
	}

	#endRun(): string {
		if (this.#run.length === 0) return ''
		if (this.#decoding.byteRuns === 'characters') return this.#takeCharacters(true)
		const bytes = Uint8Array.from(this.#run)
		this.#run = []
		return this.#write(wellFormed(bytes) ?? REPLACEMENT.repeat(bytes.length))
	}

	/** Whole characters at the start of the run, and a U+FFFD for each byte that begins none. */
	#takeCharacters(isEnd: boolean): string {
		let text = ''
		let start = 0
		while (start < this.#run.length) {
			const length = characterLength(this.#run[start]!)
			const bytes = this.#run.slice(start, start + length)
			if (!isEnd && bytes.length < length && canBecomeCharacter(bytes)) break
			const character = bytes.length === length ? wellFormed(Uint8Array.from(bytes)) : null
			text += this.#write(character ?? REPLACEMENT, 'nothing')
			start += character === null ? 1 : length
		}
		this.#run = this.#run.slice(start)
		return text
	}

	/** A token's text where it stands. SentencePiece drops no blanks that are written as bytes. */
	#write(text: string, dropsAtStart = this.#decoding.dropsAtStart): string {
		const { separator } = this.#decoding
		const written = this.isAfterWord ? separator + text : text
		if (separator !== '') this.isAfterWord = true
		if (!this.#isStart || text === '') return written
		switch (dropsAtStart) {
			case 'nothing':
				this.#isStart = false
				return written
			case 'one':
				this.#isStart = false
				return written.startsWith(' ') ? written.slice(1) : written
			case 'first-token':
				this.#isStart = false
				return written.replaceAll(' ', '')
			case 'all': {
				const rest = written.replace(/^ +/, '')
				this.#isStart = rest === ''
				return rest
			}
		}
	}
}

function wellFormed(bytes: Uint8Array): string | null {
	try {
		return STRICT_UTF8.decode(bytes)
	} catch {
		return null
	}
}

/** Bytes of the character that a byte begins; 1 for bytes that begin none. */
function characterLength(first: number): number {
	if (first < 0xc2 || first > 0xf4) return 1
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
}

/** Whether the start of a character could still become one. */
function canBecomeCharacter(bytes: readonly number[]): boolean {
	const [first = 0, second] = bytes
	if (bytes.slice(1).some((byte) => byte < 0x80 || byte > 0xbf)) return false
	if (second === undefined) return true
	if (first === 0xe0) return second >= 0xa0
	if (first === 0xed) return second < 0xa0
	if (first === 0xf0) return second >= 0x90
	return first !== 0xf4 || second < 0x90
}
