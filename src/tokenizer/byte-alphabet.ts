/**
 * The printable alphabet in which byte-level vocabularies write bytes: printable Latin-1 stands for
 * itself, the other 68 bytes for U+0100 and on, in order (GPT-2's `bytes_to_unicode`).
 *
 * Inside, bytes are strings of characters U+0000 … U+00FF: compact, comparable and ready as map keys.
 */

function isPrintable(byte: number): boolean {
	return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad)
}

const LETTERS: string[] = []
for (let byte = 0, others = 0; byte < 256; byte++) {
	LETTERS.push(String.fromCharCode(isPrintable(byte) ? byte : 0x100 + others++))
}
const BYTE_OF = new Map(LETTERS.map((letter, byte) => [letter, String.fromCharCode(byte)]))

/** Bytes of a token as byte-level vocabularies write it; undefined when it is not written so. */
export function fromByteAlphabet(token: string): string | undefined {
	let bytes = ''
	for (const character of token) {
		const byte = BYTE_OF.get(character)
		if (byte === undefined) return undefined
		bytes += byte
	}
	return bytes
}

/** How byte-level vocabularies write bytes. */
export function toByteAlphabet(bytes: string): string {
	return Array.from(bytes, (byte) => LETTERS[byte.charCodeAt(0)]!).join('')
}

/** Bytes of a text in UTF-8. */
export function utf8Bytes(text: string): string {
	return Buffer.from(text, 'utf8').toString('latin1')
}
