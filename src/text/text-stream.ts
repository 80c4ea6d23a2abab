import { assert } from '../lib/assert.ts'
import type { IncrementalDecoder } from '../tokenizer/tokenizer.ts'
import { codePointCount } from './code-points.ts'
import { StopMatcher, type StopText } from './stop-matcher.ts'

export interface TextStreamOptions {
	/** Of the tokenizer (`createDecoder`) or of a constraint (`start`). */
	readonly decoder: IncrementalDecoder
	/** Texts that end the stream. */
	readonly stop?: readonly StopText[]
	/** The returned text ends with the stop string instead of before it. Default false. */
	readonly includeStop?: boolean
	/** A stop string counts only when this many tokens have been pushed. Default 0. */
	readonly minTokens?: number
	/** Drops one blank at the very start: what the turn format puts after the role. Default false. */
	readonly skipsLeadingBlank?: boolean
}

/** A token whose text has been returned. */
export interface EmittedToken {
	/** Which push it was, from 0: the caller's place for its log-probability. */
	readonly index: number
	/** Where its text starts within the returned text, in code points. */
	readonly offset: number
	/** Its text is written behind a word (`Tokenizer.tokenText`). */
	readonly isAfterWord: boolean
}

export interface TextDelta {
	/** Text that is now certain; may be ''. */
	readonly text: string
	/** Tokens whose text is now complete, each once and in order. */
	readonly tokens: readonly EmittedToken[]
	/** A stop string was found: the text is complete and the generation should end. */
	readonly stopped: boolean
}

/**
 * Token ids → text deltas, ended by stop strings. A tail that could still become a stop string is
 * held back, so that no part of one is ever returned. It is returned as soon as it turns out to be
 * none. The joined text does not depend on the borders of the tokens.
 *
 * A token is reported once all of its text has been returned. At a stop the text is cut: the token
 * that the cut goes through is reported, tokens behind the cut are not.
 */
export class TextStream {
	readonly #decoder: IncrementalDecoder
	readonly #matcher: StopMatcher
	readonly #includeStop: boolean
	readonly #minTokens: number
	#skipsLeadingBlank: boolean
	/** Text read but not returned; it starts at `#emittedLength`. */
	#held = ''
	#emittedLength = 0
	/** Tokens read but not reported, with the UTF-16 units at which their text starts and ends. */
	#pending: { readonly token: EmittedToken; readonly start: number; readonly end: number }[] = []
	/** Code points of all text read. */
	#codePoints = 0
	#pushCount = 0
	#isStopped = false

	constructor(options: TextStreamOptions) {
		this.#decoder = options.decoder
		this.#matcher = new StopMatcher(options.stop ?? [])
		this.#includeStop = options.includeStop ?? false
		this.#minTokens = options.minTokens ?? 0
		this.#skipsLeadingBlank = options.skipsLeadingBlank ?? false
	}

	/** Code points of the text so far, once it has ended without a stop string. */
	get codePoints(): number {
		return this.#codePoints
	}

	/** The next token is written behind a word. */
	get isAfterWord(): boolean {
		return this.#decoder.isAfterWord
	}

	/** Reads the next token. Not to be called after a stop. */
	push(tokenId: number): TextDelta {
		assert(!this.#isStopped, 'no token after a stop string')
		const { isAfterWord } = this.#decoder
		return this.#read(this.#decoder.push(tokenId), { index: this.#pushCount++, isAfterWord })
	}

	/** Ends the stream and returns what was held back; after a stop there is nothing left. */
	finish(): TextDelta {
		if (this.#isStopped) return { text: '', tokens: [], stopped: true }
		const last = this.#read(this.#decoder.flush(), null)
		if (last.stopped) return last
		const rest = this.#emit(this.#held.length, false)
		return { ...rest, text: last.text + rest.text, tokens: [...last.tokens, ...rest.tokens] }
	}

	/** Reads the text of a token, null where it belongs to none. */
	#read(decoded: string, token: Omit<EmittedToken, 'offset'> | null): TextDelta {
		let text = decoded
		if (this.#skipsLeadingBlank && text !== '') {
			if (text.startsWith(' ')) text = text.slice(1)
			this.#skipsLeadingBlank = false
		}
		if (token !== null) {
			const start = this.#emittedLength + this.#held.length
			const placed = { ...token, offset: this.#codePoints }
			this.#pending.push({ token: placed, start, end: start + text.length })
		}
		this.#codePoints += codePointCount(text)
		const heldBefore = this.#held.length
		this.#held += text
		for (let at = 0; at < text.length; at++) {
			const matchLength = this.#matcher.advance(text.charCodeAt(at))
			if (matchLength === 0 || this.#pushCount < this.#minTokens) continue
			const matchEnd = heldBefore + at + 1
			return this.#emit(this.#includeStop ? matchEnd : matchEnd - matchLength, true)
		}
		return this.#emit(this.#held.length - this.#matcher.pendingLength, false)
	}

	#emit(length: number, stopped: boolean): TextDelta {
		const text = this.#held.slice(0, length)
		this.#held = this.#held.slice(length)
		this.#emittedLength += length
		const end = this.#emittedLength
		const isDone = (text: { start: number; end: number }): boolean =>
			text.end <= end || (stopped && text.start < end)
		let count = 0
		while (count < this.#pending.length && isDone(this.#pending[count]!)) count++
		const tokens = this.#pending.splice(0, count).map(({ token }) => token)
		this.#isStopped = stopped
		return { text, tokens, stopped }
	}
}
