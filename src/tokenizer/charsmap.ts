/*
 * SentencePiece's normalization rules: a trie of UTF-8 texts as a double array (Yata's darts-clone), each
 * with the place of what it becomes among texts that end with a zero byte.
 */

const utf8 = new TextEncoder()
const text8 = new TextDecoder('utf-8', { ignoreBOM: true })
/** Longest text that is replaced, in bytes: what a place of a text costs. */
const KEY_BYTES_MAX = 64
/** Longest replacement, in bytes. */
const REPLACEMENT_BYTES_MAX = 256
/** Graphemes of fewer bytes are looked up as a whole, as Hugging Face's library does. */
const GRAPHEME_BYTES_MAX = 5

/** ASCII, whose graphemes are its characters and line ends; other characters with what stands before. */
const STRETCHES = /(?:\r\n|[\0-\x7f])?[^\0-\x7f]+|[\0-\x7f]+?(?=(?:\r\n|[\0-\x7f])?[^\0-\x7f]|$)/g

const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' })

interface Match {
	/** Bytes that are replaced. */
	readonly length: number
	readonly replacement: string
}

export class Charsmap {
	readonly #units: Uint32Array
	readonly #replacements: Uint8Array
	/** What ASCII characters become; most stay what they are. */
	readonly #ascii: readonly string[]

	/** Throws an Error for a table that is none. */
	constructor(map: Uint8Array) {
		const view = new DataView(map.buffer, map.byteOffset, map.byteLength)
		const trieBytes = map.length < 4 ? -1 : view.getUint32(0, true)
		if (trieBytes < 4 || trieBytes % 4 !== 0 || trieBytes > map.length - 4) {
			throw new Error(
				`precompiled_charsmap: expected a trie of normal texts, got ${map.length} bytes`,
			)
		}
		// Little-endian in the file as in all machines that this runs on; the copy is aligned.
		this.#units = new Uint32Array(new Uint8Array(map.subarray(4, 4 + trieBytes)).buffer)
		this.#replacements = map.subarray(4 + trieBytes)
		this.#ascii = Array.from({ length: 128 }, (_, code) => {
			return (
				this.#match(Uint8Array.of(code), 0, 'longest')?.replacement ?? String.fromCharCode(code)
			)
		})
	}

	/**
	 * `prefix`: the longest text of the table at each place, as SentencePiece does it. `grapheme`: whole
	 * graphemes or their characters, by the shortest text of the table, as Hugging Face's library does it.
	 */
	apply(text: string, unit: 'prefix' | 'grapheme'): string {
		return unit === 'prefix' ? this.#applyPrefixes(text) : this.#applyGraphemes(text)
	}

	#applyPrefixes(text: string): string {
		const bytes = utf8.encode(text)
		const parts: string[] = []
		/** Start of what stays as it is. */
		let kept = 0
		for (let at = 0; at < bytes.length; ) {
			const match = this.#match(bytes, at, 'longest')
			if (match === null) {
				at += characterBytes(bytes[at]!)
				continue
			}
			if (kept < at) parts.push(text8.decode(bytes.subarray(kept, at)))
			parts.push(match.replacement)
			at += match.length
			kept = at
		}
		parts.push(text8.decode(bytes.subarray(kept)))
		return parts.join('')
	}

	#applyGraphemes(text: string): string {
		const parts: string[] = []
		for (const [stretch] of text.matchAll(STRETCHES)) {
			if (stretch.charCodeAt(stretch.length - 1) < 0x80) {
				for (const [unit] of stretch.matchAll(/\r\n|[\0-\x7f]/g)) {
					parts.push(unit.length === 1 ? this.#ascii[unit.charCodeAt(0)]! : this.#grapheme(unit))
				}
			} else {
				for (const { segment } of segmenter.segment(stretch)) parts.push(this.#grapheme(segment))
			}
		}
		return parts.join('')
	}

	#grapheme(grapheme: string): string {
		const bytes = utf8.encode(grapheme)
		const whole = bytes.length <= GRAPHEME_BYTES_MAX ? this.#match(bytes, 0, 'shortest') : null
		if (whole !== null) return whole.replacement
		let normal = ''
		for (const character of grapheme) {
			normal += this.#match(utf8.encode(character), 0, 'shortest')?.replacement ?? character
		}
		return normal
	}

	/** The text of the table that stands at a place. */
	#match(bytes: Uint8Array, start: number, wanted: 'longest' | 'shortest'): Match | null {
		let found: { length: number; value: number } | null = null
		let node = offsetOf(this.#units[0]!)
		const end = Math.min(bytes.length, start + KEY_BYTES_MAX)
		for (let at = start; at < end; at++) {
			const byte = bytes[at]!
			node ^= byte
			const unit = this.#units[node]
			if (unit === undefined || (unit & 0x800000ff) !== byte) break
			node ^= offsetOf(unit)
			if (((unit >>> 8) & 1) === 0) continue
			const value = (this.#units[node] ?? 0) & 0x7fffffff
			found = { length: at + 1 - start, value }
			if (wanted === 'shortest') break
		}
		return found && { length: found.length, replacement: this.#replacementAt(found.value) }
	}

	#replacementAt(start: number): string {
		const bytes = this.#replacements.subarray(start, start + REPLACEMENT_BYTES_MAX)
		const end = bytes.indexOf(0)
		return text8.decode(end < 0 ? bytes : bytes.subarray(0, end))
	}
}

/** Distance to the children of a node. */
function offsetOf(unit: number): number {
	return (unit >>> 10) << ((unit & 0x200) >>> 6)
}

function characterBytes(first: number): number {
	if (first < 0x80) return 1
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
}
