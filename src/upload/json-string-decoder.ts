import { BACKSLASH } from '../checkpoint/formats/json-bytes.ts'

const LETTER_U = 0x75

/**
 * Decodes a JSON string literal that arrives in pieces, in constant memory. Feed it the text between
 * the quotes. Throws SyntaxError where an escape is wrong.
 */
export class JsonStringDecoder {
	#rest: Uint8Array = new Uint8Array(0)

	/** UTF-8 of what `bytes` completes; `isLast` when the closing quote follows them. */
	push(bytes: Uint8Array, isLast: boolean): Uint8Array {
		const text = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
		const end = isLast ? text.length : safeEnd(text)
		this.#rest = text.slice(end)
		const literal = `"${new TextDecoder().decode(text.subarray(0, end))}"`
		return new TextEncoder().encode(JSON.parse(literal) as string)
	}
}

/** End of the last character or escape that is certainly complete. */
function safeEnd(text: Uint8Array): number {
	let at = 0
	while (at < text.length) {
		const next = at + unitLength(text, at)
		if (next > text.length) break
		at = next
	}
	return at
}

function unitLength(text: Uint8Array, at: number): number {
	const byte = text[at]!
	if (byte === BACKSLASH) {
		if (text[at + 1] !== LETTER_U) return 2
		// A high surrogate (\ud8.. to \udb..) stays together with the escape that follows it.
		const isSurrogate = (text[at + 2] ?? 0x64) % 32 === 4
		return isSurrogate ? 12 : 6
	}
	return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
}
